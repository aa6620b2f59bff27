"""Find the verbs of a prompt: words inflected like verbs, in the position of a verb.

Each word is mapped to the letter of its class in `classes.tsv`, or of its ending's class, and a
regular expression over the letters finds the verbs. A doubtful word does not count as a verb: a
wrong note about a noun is worse than a missed verb.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from jobs.verbs.words import is_known, known_stems, stem, word_classes

_WORD = re.compile(r"\d|\w+(?:['’-]\w+)*|[,;.:!?&]")
#: Adverbs between a subject and its verb are skipped, and ", and" is one link.
_SKIPPED = re.compile("A|(?<=[LT])L")
_NEXT = "(?=[aDOPtILT.]|$)"  # follows verbs, and rarely nouns
_VERB = rf"""
    (?=[sgew])
    (?: (?<=S)[sg] | (?<=S)e(?=[aDOPt]) | (?<=B)g | (?<=T)[sge]    # he juggles, he is juggling
      | (?<=F)g | (?<=Ft)w                                         # begins juggling, to juggle
      | (?: (?<=^aw) | (?<=^aww) )s(?: {_NEXT} | (?=s) )           # a pirate juggles
      | (?<![^.])(?: [swe](?=[aDOPt]) | g{_NEXT} )                 # juggling with balls
      | (?<=L)(?: [sge](?=[aDO]) | g{_NEXT} )                      # from a box, juggles them
      | (?: (?<=[PO]L) | (?<=[aD][wSN]L) | (?<=[aD].[wSN]L) )s{_NEXT}  # the box and juggles
    )
    (?: P? L [sge]{_NEXT} )*                                       # up and juggles
"""
_VERBS = re.compile(_VERB, re.VERBOSE)
#: In a prompt that begins with an imperative, others may follow: then juggle the balls.
_ORDER = re.compile("w[aDOPt]")
_ORDERS = re.compile(rf"{_VERB} | (?<=[LT])w(?=[aDOPt])", re.VERBOSE)


class Verb(NamedTuple):
    """A verb of a prompt in lower case, and the position where it starts."""

    text: str
    start: int


def tag(prompt: str) -> tuple[list[re.Match[str]], str]:
    """The words, digits and punctuation marks of a prompt in order, and the letter of each."""
    words = [*_WORD.finditer(prompt)]
    return words, "".join([_letter(word[0]) for word in words])


def is_foreign(letters: str) -> bool:
    """Whether a prompt is certainly not English: it has at least two foreign words, and more of
    them than of the common short English words."""
    foreign = letters.count("X") + 2 * letters.count("Y")
    return foreign >= 2 and foreign > len(re.findall("[SBaDOtI]", letters))


def find_verbs(words: list[re.Match[str]], letters: str) -> list[Verb]:
    """The words that are certainly verbs, in order."""
    if gone := {match.start() for match in _SKIPPED.finditer(letters)}:
        words = [word for at, word in enumerate(words) if at not in gone]
        letters = _SKIPPED.sub("", letters)
    pattern = _ORDERS if _ORDER.match(letters) else _VERBS
    places = (at for match in pattern.finditer(letters) for at in range(*match.span()))
    verbs = [words[at] for at in places if letters[at] in "sgew"]
    return [Verb(verb[0].lower(), verb.start()) for verb in verbs]


@lru_cache(4096)  # files repeat prompts with other seeds and lengths
def unseen_verbs(prompt: str, model: str) -> Mapping[str, Verb] | None:
    """stem → first occurrence of each verb of a prompt that a model has not seen in training.

    None if the prompt is not English; empty if the model has no list of verbs.
    """
    known = known_stems(model)
    if known is None:
        return {}
    words, letters = tag(prompt)
    if is_foreign(letters):
        return None
    unseen = [verb for verb in find_verbs(words, letters) if not is_known(verb.text, known)]
    first: dict[str, Verb] = {}
    for verb in unseen:
        first.setdefault(stem(verb.text), verb)
    return first


@lru_cache(10_000)
def _letter(written: str) -> str:
    """The letter of the class of a word, digit or punctuation mark."""
    word, classes = written.lower().replace("’", "'"), word_classes()
    if word in classes:
        return classes[word]
    if not word[0].isalpha():
        return "D" if word[0].isdigit() else "."
    if not word.isascii():
        # Chinese has no spaces between words, so a word of another script counts as two.
        return "Y" if max(word) > "\u024f" else "X"
    endings = (f"-{word[-size:]}" for size in (4, 3, 2, 1) if len(word) > 3)
    return next((classes[ending] for ending in endings if ending in classes), "w")
