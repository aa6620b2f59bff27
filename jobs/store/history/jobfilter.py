"""Filters of `history`, as conditions on the jobs table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_

from jobs.domain.states import Failure, State
from jobs.store.tables import jobs

#: Conditions that an index of the jobs table can serve.
INDEXED = ("batch", "state", "card", "worker", "failure", "created")


@dataclass(frozen=True)
class JobFilter:
    """Selects jobs that meet every given condition; a condition with several values accepts any.

    Attributes:
        batch_id: id of the batch.
        states, failures: see `jobs.domain.states`.
        modes: modes chosen for the jobs, never `auto`.
        cards, workers: card and worker names of the job's last attempt, as workers registered them.
        since, until: the job was submitted at or after `since` and before `until`, epoch seconds.
        grep: part of the prompt, ignoring case (SQLite ignores only the case of ASCII letters).
    """

    batch_id: int | None = None
    states: tuple[State, ...] = ()
    modes: tuple[str, ...] = ()
    cards: tuple[str, ...] = ()
    workers: tuple[str, ...] = ()
    failures: tuple[Failure, ...] = ()
    since: float | None = None
    until: float | None = None
    grep: str | None = None

    @property
    def waiting_only(self) -> bool:
        """Whether the filter selects only jobs that have not ended."""
        return bool(self.states) and set(self.states) <= {State.QUEUED, State.RUNNING}

    def conditions(self) -> Mapping[str, ColumnElement[bool]]:
        """The given conditions by name; an index may serve those named in `INDEXED`."""
        return self._named(_plain)

    def opaque(self) -> Mapping[str, ColumnElement[bool]]:
        """The same conditions, written so that no index can serve those named in `INDEXED`."""
        return self._named(_opaque)

    def single(self, name: str) -> bool:
        """Whether condition `name` has one value, so that its index returns rows in order."""
        values: Mapping[str, tuple[object, ...]] = {
            "batch": (self.batch_id,),
            "state": self.states,
            "card": self.cards,
            "worker": self.workers,
            "failure": self.failures,
        }
        return len(values.get(name, ())) == 1

    def _named(self, write: Any) -> Mapping[str, ColumnElement[bool]]:
        found: dict[str, ColumnElement[bool]] = {}
        batch = () if self.batch_id is None else (self.batch_id,)
        for name, column, values in (
            ("batch", jobs.c.batch_id, batch),
            ("state", jobs.c.state, self.states),
            ("card", jobs.c.card, self.cards),
            ("worker", jobs.c.worker_name, self.workers),
            ("failure", jobs.c.failure, self.failures),
        ):
            if values:
                subject = write(column)
                found[name] = subject == values[0] if len(values) == 1 else subject.in_(values)
        bounds = []
        if self.since is not None:
            bounds.append(write(jobs.c.created_at) >= self.since)
        if self.until is not None:
            bounds.append(write(jobs.c.created_at) < self.until)
        if bounds:
            found["created"] = and_(*bounds)
        if self.modes:
            found["mode"] = jobs.c.mode.in_(self.modes)
        if self.grep:
            found["grep"] = jobs.c.prompt.icontains(self.grep, autoescape=True)
        return found


def _plain(column: ColumnElement[Any]) -> ColumnElement[Any]:
    return column


def _opaque(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """An expression equal to the column that no index matches."""
    return column + ("" if column.type.python_type is str else 0)
