"""Finding the verbs of a prompt by where they stand: behind a subject, an "is", an "and".

English prompts are short and alike, so a word's neighbours tell verbs from nouns well enough for a
warning. Where they leave it open, the word is taken for no verb: "crawls on hands and knees".
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from enum import Enum, auto

from jobs.verbs.words import (
    ADVERBS,
    BE,
    BODY,
    CLOSED,
    DETERMINERS,
    FOLLOW,
    ING_NOUNS,
    LINKS,
    NOUNS,
    OBJECT,
    ORDER,
    PARTICLES,
    PHASES,
    PRONOUNS,
    SUBJECTS,
)

_TOKEN = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*|[,;.:!?]|\d+")
_STOPS = frozenset(".;:!?")
#: Of words that are not in the third person: press, circus, gymnastics, sideways.
_NO_ENDING = ("ss", "us", "ics", "wards", "ways")
_SHORTEST = 4
#: How far before a noun its determiner stands: "the old wooden cart".
_REACH = 4


class Slot(Enum):
    """Where a verb may come next."""

    NONE = auto()
    START = auto()
    SUBJECT = auto()
    BE = auto()
    LINK = auto()
    ORDER = auto()
    PHASE = auto()
    TO = auto()


def words(prompt: str) -> list[str]:
    """Words and punctuation marks in lower case."""
    return _TOKEN.findall(prompt.lower())


def unseen(tokens: list[str], known: Container[str]) -> list[str]:
    """The words that can only be verbs and that are not known, as they are written, in order."""
    return [word for word in _Reader(tokens).verbs() if word not in known]


class _Reader:
    """One walk through a prompt.

    Attributes:
        last: place of the last verb, recognised by where it stands.
        imperative: whether the prompt gives orders: "clap your hands".
        past: whether it tells what was: "a person walked".
    """

    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens
        self.last = -1
        self.imperative = self.past = False

    def verbs(self) -> Iterator[str]:
        slot = Slot.START
        for at, word in enumerate(self.tokens):
            if slot is Slot.NONE:  # most words
                slot = ANYWHERE.get(word, slot)
            elif (turn := _turn(word, slot)) is not None:
                slot = turn
            else:
                found = self._is_verb(at, word, slot)
                slot = Slot.PHASE if found and word in PHASES else Slot.NONE
                if found:
                    self.last = at
                    yield word

    def _is_verb(self, at: int, word: str, slot: Slot) -> bool:
        if word in NEVER or not word[0].isalpha():
            return False
        if len(word) >= _SHORTEST:
            if word.endswith("ing"):
                return self._is_gerund(at, word, slot)
            if word[-1] == "s" and not word.endswith(_NO_ENDING):
                return self._is_third_person(at, word, slot)
            if word.endswith("ed"):
                return self._is_past(at, slot)
        return self._is_bare(at, slot)

    def _is_gerund(self, at: int, word: str, slot: Slot) -> bool:
        # "boxing gloves" and "a flying kick": only what cannot stand before a noun is a verb.
        freely = slot in (Slot.SUBJECT, Slot.BE, Slot.PHASE) or self._next(at) in FOLLOW_OR_END
        return word not in ING_NOUNS and slot is not Slot.TO and freely

    def _is_third_person(self, at: int, word: str, slot: Slot) -> bool:
        if slot in (Slot.SUBJECT, Slot.ORDER):
            return True
        following = self._next(at)
        if slot is Slot.START:
            return word not in NOUNS and (following in FOLLOW or following.endswith("ly"))
        before = self._before(at)
        if slot is not Slot.LINK or (word in NOUNS and before != self.last):
            return False
        # "on hands and knees": beside a noun only its company tells a verb.
        if before == self.last or self._ends_verb(before):
            return following in FOLLOW_OR_END or following.endswith("ly")
        if self.tokens[before].endswith("s") or not self._determined(before):
            return following in OBJECT
        return following in FOLLOW_OR_END or following.endswith("ly")

    def _is_past(self, at: int, slot: Slot) -> bool:
        # "a man dressed as a pirate": a participle; "a man walked to": a verb.
        if self.past:
            return slot in (Slot.SUBJECT, Slot.LINK, Slot.ORDER)
        self.past = slot is Slot.SUBJECT and self._next(at) in OBJECT | {"", "."}
        return self.past

    def _is_bare(self, at: int, slot: Slot) -> bool:
        if slot is Slot.TO:
            return True
        orders = slot is Slot.START or (self.imperative and slot in (Slot.LINK, Slot.ORDER))
        if orders and self._next(at) in OBJECT:
            self.imperative = True
            return True
        return False

    def _next(self, at: int) -> str:
        return self.tokens[at + 1] if at + 1 < len(self.tokens) else ""

    def _before(self, at: int) -> int:
        """The last word before the links and adverbs in front of a place."""
        before = at - 1
        while before > 0 and (self.tokens[before] in SKIPPED or self.tokens[before].endswith("ly")):
            before -= 1
        return before

    def _ends_verb(self, at: int) -> bool:
        """Whether the word ends what belongs to a verb: "walks forward", "lifts it"."""
        word = self.tokens[at]
        return word in PARTICLES or word in PRONOUNS or self.tokens[at + 1].endswith("ly")

    def _determined(self, at: int) -> bool:
        """Whether a word ends a noun phrase like "the left fist"."""
        return any(word in DETERMINERS for word in self.tokens[max(0, at - _REACH) : at])


NEVER = CLOSED | BODY
SKIPPED = LINKS | ADVERBS | {","}
FOLLOW_OR_END = FOLLOW | _STOPS | {"", ","}
#: Words that say by themselves where a verb may come next.
OPENING = (
    dict.fromkeys(SUBJECTS, Slot.SUBJECT)
    | dict.fromkeys(BE, Slot.BE)
    | dict.fromkeys(ORDER, Slot.ORDER)
    | dict.fromkeys(_STOPS, Slot.START)
)
ANYWHERE = OPENING | dict.fromkeys(LINKS | {","}, Slot.LINK)


def _turn(word: str, slot: Slot) -> Slot | None:
    """The slot behind a word that is no verb by itself; None for the others."""
    if word in OPENING:
        return OPENING[word]
    link = word == "," or word in LINKS
    if link and slot is not Slot.ORDER:
        return Slot.LINK
    if link or word in ADVERBS or (word.endswith("ly") and len(word) > _SHORTEST):
        return slot
    return Slot.TO if word == "to" and slot is Slot.PHASE else None
