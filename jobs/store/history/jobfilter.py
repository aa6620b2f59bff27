"""Filters of `history`, as conditions on the jobs table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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
        """The conditions given, by name; an index may serve those named in `INDEXED`."""
        found: dict[str, ColumnElement[bool]] = {}
        if self.batch_id is not None:
            found["batch"] = jobs.c.batch_id == self.batch_id
        for name, column, values in (
            ("state", jobs.c.state, self.states),
            ("card", jobs.c.card, self.cards),
            ("worker", jobs.c.worker_name, self.workers),
            ("failure", jobs.c.failure, self.failures),
            ("mode", jobs.c.mode, self.modes),
        ):
            if values:
                found[name] = column.in_(values)
        bounds = []
        if self.since is not None:
            bounds.append(jobs.c.created_at >= self.since)
        if self.until is not None:
            bounds.append(jobs.c.created_at < self.until)
        if bounds:
            found["created"] = and_(*bounds)
        if self.grep:
            found["grep"] = jobs.c.prompt.icontains(self.grep, autoescape=True)
        return found
