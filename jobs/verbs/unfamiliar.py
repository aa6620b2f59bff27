"""What a file of prompts asks for that a model has never seen, added up row by row."""

from __future__ import annotations

from dataclasses import dataclass, field

from jobs.verbs.finder import unseen, words
from jobs.verbs.forms import stems
from jobs.verbs.known import KnownVerbs, known_verbs
from jobs.verbs.language import is_foreign

#: Rows that are named of each finding, and verbs that are told apart; all are counted.
ROWS = 20
VERBS = 1000
#: Prompts whose verdict is kept: files repeat prompts with other seeds and lengths.
_KEPT = 4096
#: Forms of verbs that are brought together.
_NAMES = 10 * VERBS


@dataclass(frozen=True)
class Rows:
    """Rows of a prompt file.

    Attributes:
        count: how many.
        first: numbers of the first `ROWS` of them.
    """

    count: int
    first: tuple[int, ...]


@dataclass(frozen=True)
class UnseenVerb:
    """A verb that a model has not seen, as it is first written, and the rows that ask for it."""

    verb: str
    rows: Rows


@dataclass(frozen=True)
class Unfamiliar:
    """What a model will guess at.

    Attributes:
        model: its name.
        verbs: the first `VERBS` verbs that it has not seen, those of most rows first.
        foreign: rows whose prompt is not English.
    """

    model: str
    verbs: tuple[UnseenVerb, ...]
    foreign: Rows


@dataclass
class _Tally:
    count: int = 0
    first: list[int] = field(default_factory=list)

    def add(self, row: int) -> None:
        self.count += 1
        if len(self.first) < ROWS:
            self.first.append(row)

    def rows(self) -> Rows:
        return Rows(self.count, tuple(self.first))


class Watch:
    """Looks at the prompts of a file, one after the other.

    The memory for it does not grow with the file.
    """

    def __init__(self) -> None:
        self._models: dict[str, _Model | None] = {}

    def add(self, model: str, row: int, prompt: str) -> None:
        """Look at the prompt of a row for a model."""
        if model not in self._models:
            known = known_verbs(model)
            self._models[model] = None if known is None else _Model(known)
        watched = self._models[model]
        if watched is not None:
            watched.add(row, prompt)

    def found(self) -> tuple[Unfamiliar, ...]:
        """What was found, a model each that something was found for."""
        models = {name: each for name, each in sorted(self._models.items()) if each is not None}
        return tuple(each.found(name) for name, each in models.items() if each.doubtful)


class _Model:
    """What one model of a file has not seen."""

    def __init__(self, known: KnownVerbs) -> None:
        self._known = known
        self._foreign = _Tally()
        self._verbs: dict[str, _Tally] = {}
        self._names: dict[str, str] = {}  # a stem → the form in which its verb was first written
        self._verdicts: dict[str, tuple[str, ...] | None] = {}

    @property
    def doubtful(self) -> bool:
        return bool(self._verbs or self._foreign.count)

    def add(self, row: int, prompt: str) -> None:
        if prompt not in self._verdicts:
            if len(self._verdicts) >= _KEPT:
                self._verdicts.clear()
            self._verdicts[prompt] = self._verdict(prompt)
        verdict = self._verdicts[prompt]
        if verdict is None:
            self._foreign.add(row)
            return
        for name in verdict:
            if name in self._verbs or len(self._verbs) < VERBS:
                self._verbs.setdefault(name, _Tally()).add(row)

    def _verdict(self, prompt: str) -> tuple[str, ...] | None:
        """The unseen verbs of a prompt; None if it is not English."""
        tokens = words(prompt)
        if is_foreign(tokens):
            return None
        return tuple(dict.fromkeys(self._name(word) for word in unseen(tokens, self._known)))

    def _name(self, word: str) -> str:
        """The first written form of a verb: "bows" for "bowing" in a later row."""
        if word not in self._names:
            forms = stems(word)
            name = next((self._names[form] for form in forms if form in self._names), word)
            if len(self._names) > _NAMES:
                return name
            for form in forms:
                self._names.setdefault(form, name)
        return self._names[word]

    def found(self, model: str) -> Unfamiliar:
        """What was found, put together."""
        ranked = sorted(self._verbs.items(), key=lambda item: -item[1].count)
        seen = tuple(UnseenVerb(verb, tally.rows()) for verb, tally in ranked)
        return Unfamiliar(model, seen, self._foreign.rows())
