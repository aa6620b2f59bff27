"""What people call an action: many paraphrases, some of them kept for the tests of a model.

`texts.tsv` has a line for each phrase: action, the attributes it says, the split, and the phrase
without its subject. Held-out phrases and held-out subjects are never seen in training.
"""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files

from hymotion.training.errors import MocapError
from hymotion.training.labels import SPLITS, read_attributes

COLUMNS = ["action", "attributes", "split", "phrase"]
SUBJECTS: Mapping[str, tuple[str, ...]] = {
    "train": ("a person ", "someone ", "a man ", "a woman ", "the person ", "a human ", ""),
    "held": ("a figure ", "somebody ", "the character "),
}
LINKS: Mapping[str, tuple[str, ...]] = {
    "train": (", then ", " and then ", " then ", ", and then "),
    "held": (", after that ", ", afterwards "),
}
MEND = "Mend that line of the table of phrases"


@dataclass(frozen=True)
class Phrase:
    """A phrase for an action with all of `attributes`."""

    action: str
    attributes: Mapping[str, str]
    split: str
    phrase: str


@dataclass(frozen=True)
class Texts:
    """All phrases.

    Attributes:
        phrases: in the table's order.
    """

    phrases: tuple[Phrase, ...]

    @property
    def actions(self) -> frozenset[str]:
        """The actions that have phrases."""
        return frozenset(phrase.action for phrase in self.phrases)

    def phrases_of(self, action: str, attributes: Mapping[str, str], split: str) -> tuple[str, ...]:
        """Phrases without subject. A phrase fits if the clip has all attributes that it names;
        where some name a side or a direction, those that do not are left out.

        Raises:
            MocapError: no phrase fits.
        """
        fitting = [
            phrase
            for phrase in self.phrases
            if phrase.action == action
            and phrase.split == split
            and phrase.attributes.items() <= attributes.items()
        ]
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


def own_texts() -> Texts:
    """The phrases that come with this package."""
    table = files("hymotion.training").joinpath("texts.tsv")
    return read_texts(table.read_text(encoding="utf-8").splitlines(), where="texts.tsv")


def read_texts(lines: Iterable[str], *, where: str) -> Texts:
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
    return Texts(tuple(seen.values()))
