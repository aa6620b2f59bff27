"""Collect the verbs and languages of a prompt file that a model has not seen in training."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from jobs.verbs.matcher import unseen_verbs

#: Maximum number of rows that are listed per finding, and of verbs that are counted.
ROWS = 20
VERBS = 1000


@dataclass(frozen=True)
class Rows:
    """Rows of a prompt file.

    Attributes:
        count: number of rows.
        first: numbers of the first `ROWS` rows.
    """

    count: int = 0
    first: tuple[int, ...] = ()

    def with_row(self, row: int) -> Rows:
        """These rows and another one."""
        return Rows(self.count + 1, self.first if self.count >= ROWS else (*self.first, row))


@dataclass(frozen=True)
class Unfamiliar:
    """What a model has not seen in training and will guess.

    Attributes:
        model: name of the model.
        verbs: unseen verb, as first written → its rows; at most `VERBS`, those of most rows first.
        foreign: rows whose prompt is not English.
    """

    model: str
    verbs: Mapping[str, Rows]
    foreign: Rows


class PromptCheck:
    """Checks the prompts of a file one by one; its memory does not grow with the file."""

    def __init__(self) -> None:
        self._verbs: dict[str, dict[str, Rows]] = defaultdict(lambda: defaultdict(Rows))
        self._foreign: dict[str, Rows] = defaultdict(Rows)
        self._names: dict[str, str] = {}  # stem → the form in which the verb was first written

    def add(self, model: str, row: int, prompt: str) -> None:
        """Check a row's prompt for a model."""
        unseen = unseen_verbs(prompt, model)
        if unseen is None:
            self._foreign[model] = self._foreign[model].with_row(row)
            return
        for root, verb in unseen.items():
            if root in self._names or len(self._names) < VERBS:
                name = self._names.setdefault(root, verb.text)
                self._verbs[model][name] = self._verbs[model][name].with_row(row)

    def found(self) -> tuple[Unfamiliar, ...]:
        """The findings of each model that has any."""
        return tuple(
            Unfamiliar(model, _ranked(self._verbs[model]), self._foreign[model])
            for model in sorted(self._verbs.keys() | self._foreign.keys())
        )


def _ranked(verbs: Mapping[str, Rows]) -> Mapping[str, Rows]:
    return dict(sorted(verbs.items(), key=lambda item: -item[1].count))
