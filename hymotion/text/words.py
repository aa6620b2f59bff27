"""Splitting prompts into words, and words into subword pieces.

Words are separated by spaces and punctuation and case folded. A word's pieces are its substrings
of 3 to 5 characters, with its ends marked (Bojanowski et al. 2017), so that an unseen word shares
most of its pieces with related words: "somersaults", "somersaulting".
"""

import re
import unicodedata
import zlib
from itertools import islice

START = "<prompt>"
"""The first token of every prompt, so that even an empty one has a token."""

LONGEST_WORD = 24
"""Maximum number of characters used of a word."""

RUNS = (3, 4, 5)
"""Lengths of the pieces, in characters."""

WORD = re.compile(r"\w+")


def tokens_of(prompt: str, *, limit: int) -> list[str]:
    """START and the words of a prompt, at most `limit` tokens."""
    # Cut first: folding a prompt of megabytes would cost more than everything after it.
    text = unicodedata.normalize("NFKC", prompt[: limit * 64]).casefold()
    return [START, *islice((match[0] for match in WORD.finditer(text)), limit - 1)]


def pieces_of(word: str) -> list[str]:
    """The pieces of a word; START has none."""
    if word == START:
        return []
    marked = f"<{word[:LONGEST_WORD]}>"
    return [
        marked[start : start + size] for size in RUNS for start in range(len(marked) - size + 1)
    ]


def buckets_of(word: str, buckets: int) -> list[int]:
    """The bucket, out of `buckets`, of each piece of the word; distinct pieces may share one."""
    # A lone surrogate, such as from a terminal, is no reason to fail.
    coded = (piece.encode("utf-8", "surrogatepass") for piece in pieces_of(word))
    return [zlib.crc32(code) % buckets for code in coded]
