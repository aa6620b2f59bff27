"""What people call an action: many paraphrases, some of them kept for the tests of a model.

`texts.tsv` has a line for each phrase: action, the attributes it says, the split, and the phrase
without its subject. Held-out phrases and held-out subjects are never seen in training.
"""

import csv
import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files

from hymotion.training.errors import MocapError
from hymotion.training.phrases.attributes import SPLITS, read_attributes
from hymotion.training.phrases.wording import Wording

COLUMNS = ["action", "attributes", "split", "phrase"]
SUBJECTS: Mapping[str, tuple[str, ...]] = {
    "train": (
        *("a person ", "someone ", "a man ", "a woman ", "the person ", "a human ", ""),
        *("he ", "she ", "the man ", "the woman ", "an actor ", "an athlete ", "a performer "),
        *("a guy ", "a girl ", "a boy ", "one person ", "this person ", "a human being "),
    ),
    "held": ("a figure ", "somebody ", "the character "),
}
LINKS: Mapping[str, tuple[str, ...]] = {
    "train": (
        *(", then ", " and then ", " then ", ", and then ", " and ", ", and ", ". then "),
        *("; then ", " and after that ", " and afterwards ", ", next ", " and next ", ", finally "),
    ),
    "held": (", after that ", ", afterwards "),
}
AGAIN = ("he ", "she ", "the person ")
"""Subjects said again for a second action."""

OPEN = frozenset({"side", "direction", "lying"})
"""Attributes that a prompt may leave open: "kicks" is a kick with either leg."""

PLAIN = 0.3
"""Share of training prompts that start with "a person", as most users' do."""

ALONE = 0.2
"""Share of training prompts without anybody: "walk forward", "walking", as quick users type."""

OPEN_SHARE = 0.15
SAID_AGAIN = 0.1
FORMS = {"third": 5, "progressive": 3, "gerund": 1}
NO_SUBJECT = {"third": 2, "gerund": 2, "bare": 4}
"""Verb forms and how often they come, with a subject and without one."""

MEND = "Mend that line of the table of phrases"


@dataclass(frozen=True)
class Phrase:
    """A phrase for an action with all of `attributes`."""

    action: str
    attributes: Mapping[str, str]
    split: str
    phrase: str


@dataclass(frozen=True)
class Phrases:
    """All phrases.

    Attributes:
        phrases: in the table's order.
    """

    phrases: tuple[Phrase, ...]

    @property
    def actions(self) -> frozenset[str]:
        """The actions that have phrases."""
        return frozenset(phrase.action for phrase in self.phrases)

    @cached_property
    def wording(self) -> Wording:
        """Variants of these phrases."""
        return Wording(tuple(phrase.phrase for phrase in self.phrases))

    @cached_property
    def _index(self) -> Mapping[tuple[str, str], Sequence[Phrase]]:
        index: dict[tuple[str, str], list[Phrase]] = defaultdict(list)
        for phrase in self.phrases:
            index[phrase.action, phrase.split].append(phrase)
        return index

    def _fitting(
        self, action: str, attributes: Mapping[str, str], split: str
    ) -> tuple[Phrase, ...]:
        return tuple(
            phrase
            for phrase in self._index.get((action, split), ())
            if phrase.attributes.items() <= attributes.items()
        )

    def phrases_of(self, action: str, attributes: Mapping[str, str], split: str) -> tuple[str, ...]:
        """Phrases without subject. A phrase fits if the clip has all attributes that it names;
        where some name a side or a direction, those that do not are left out.

        Raises:
            MocapError: no phrase fits.
        """
        fitting = self._fitting(action, attributes, split)
        if not fitting:
            raise MocapError(
                f"no phrase of the split {split!r} for {action} {dict(attributes)}",
                mend="Add phrases to the table",
                where=action,
            )
        most = max(len(phrase.attributes) for phrase in fitting)
        return tuple(phrase.phrase for phrase in fitting if len(phrase.attributes) == most)

    def of(self, action: str, attributes: Mapping[str, str], split: str) -> tuple[str, ...]:
        """Whole prompts: every subject of the split with every phrase."""
        phrases = self.phrases_of(action, attributes, split)
        return tuple(subject + phrase for subject in SUBJECTS[split] for phrase in phrases)

    def sequence(
        self,
        first: tuple[str, Mapping[str, str]],
        second: tuple[str, Mapping[str, str]],
        split: str,
    ) -> tuple[str, ...]:
        """Whole prompts of two actions in order, each an action and its attributes."""
        return tuple(
            f"{start}{link}{end}"
            for start in self.of(*first, split)
            for link in LINKS[split]
            for end in self.phrases_of(*second, split)
        )

    def draw(
        self, shows: Sequence[tuple[str, Mapping[str, str]]], split: str, chance: random.Random
    ) -> str:
        """One prompt for a motion.

        Args:
            shows: its actions in order, each with its attributes.
            split: "train" draws variants of training phrases too; "held" held-out phrases as
                they are.
            chance: what to draw with.

        Raises:
            MocapError: no phrase fits.
        """
        if split == "held":
            parts = [chance.choice(self.phrases_of(*show, split)) for show in shows]
            return chance.choice(SUBJECTS[split]) + chance.choice(LINKS[split]).join(parts)
        phrases = [self._drawn(*show, split, chance) for show in shows]
        subject = chance.choice(SUBJECTS[split])
        drawn = chance.random()
        if drawn < ALONE:
            subject = ""
        elif drawn < ALONE + PLAIN:
            subject = SUBJECTS[split][0]
        if not self.wording.has_verb(phrases[0]):
            subject = ""
        forms = FORMS if subject else NO_SUBJECT
        [form] = chance.choices(tuple(forms), tuple(forms.values()))
        prompt = subject + self.wording.formed(phrases[0], form)
        for phrase in phrases[1:]:
            prompt += chance.choice(LINKS[split])
            if subject and form == "third" and chance.random() < SAID_AGAIN:
                prompt += chance.choice(AGAIN)
            # "a person is walking, then turning": the second needs no "is" of its own.
            prompt += self.wording.formed(phrase, "gerund" if form == "progressive" else form)
        return self.wording.varied(prompt, chance)

    def _drawn(
        self, action: str, attributes: Mapping[str, str], split: str, chance: random.Random
    ) -> str:
        """A phrase that says the attributes, or now and then one that leaves them open."""
        if attributes.keys() <= OPEN and chance.random() < OPEN_SHARE:
            fitting = self._fitting(action, attributes, split)
            vague = [phrase.phrase for phrase in fitting if not phrase.attributes]
            if vague:
                return chance.choice(vague)
        return chance.choice(self.phrases_of(action, attributes, split))


def own_texts() -> Phrases:
    """The phrases that come with this package."""
    table = files("hymotion.training.phrases").joinpath("texts.tsv")
    return read_texts(table.read_text(encoding="utf-8").splitlines(), where="texts.tsv")


def read_texts(lines: Iterable[str], *, where: str) -> Phrases:
    """The phrases of a table.

    Raises:
        MocapError: a line makes no sense, or a phrase is in both splits; names the line.
    """
    rows = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    if rows.fieldnames != COLUMNS:
        mend = f"Give the columns {', '.join(COLUMNS)}, separated by tabs"
        raise MocapError(f"has the columns {rows.fieldnames}", mend=mend, where=where)
    seen: dict[str, Phrase] = {}
    for number, row in enumerate(rows, start=2):
        line = f"{where}:{number}"
        action, attributes, split, phrase = (row.get(column) or "" for column in COLUMNS)
        if not action or not phrase or split not in SPLITS:
            problem = f"action {action!r}, split {split!r}, phrase {phrase!r}"
            raise MocapError(problem, mend=MEND, where=line)
        if phrase in seen:
            raise MocapError(f"{phrase!r} comes twice", mend=MEND, where=line)
        seen[phrase] = Phrase(action, read_attributes(attributes, line), split, phrase)
    return Phrases(tuple(seen.values()))
