"""How prompts become words, and words become pieces.

Words are what lies between spaces and punctuation, case folded. The pieces of a word are its runs
of 3 to 5 characters with its ends marked (Bojanowski et al. 2017), so that a word never seen
shares most of its pieces with its relatives: "somersaults", "somersaulting".
"""

import re
import unicodedata
import zlib
from itertools import islice

START = "<prompt>"
"""The first token of every prompt, so that an empty one has a token too."""

LONGEST_WORD = 24
"""Characters of a word that are looked at."""

RUNS = (3, 4, 5)
"""Lengths of the pieces, characters."""

WORD = re.compile(r"\w+")


def tokens_of(prompt: str, *, limit: int) -> list[str]:
    """START and the words of a prompt, `limit` tokens at most; nothing beyond is looked at."""
    # Folding a prompt of megabytes would cost more than all that follows.
    text = unicodedata.normalize("NFKC", prompt[: limit * 64]).casefold()
    return [START, *islice((match[0] for match in WORD.finditer(text)), limit - 1)]


def pieces_of(word: str) -> list[str]:
    """The pieces of a word; START has none, as it stands alone."""
    if word == START:
        return []
    marked = f"<{word[:LONGEST_WORD]}>"
    return [
        marked[start : start + size] for size in RUNS for start in range(len(marked) - size + 1)
    ]


def buckets_of(word: str, buckets: int) -> list[int]:
    """Which of `buckets` vectors each piece of the word has; distinct pieces may share one."""
    # A lone surrogate from a terminal is odd but no reason to fail.
    coded = (piece.encode("utf-8", "surrogatepass") for piece in pieces_of(word))
    return [zlib.crc32(code) % buckets for code in coded]
