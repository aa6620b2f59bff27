"""Which jobs history is asked for, as conditions on the jobs table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_

from jobs.domain.states import Failure, State
from jobs.store.tables import jobs

#: Filters that an index of the jobs table answers.
INDEXED = ("batch", "state", "card", "worker", "failure", "created")


@dataclass(frozen=True)
class JobFilter:
    """Jobs that meet every condition given; within one condition any of its values will do.

    Attributes:
        batch_id: of one batch.
        states, modes, failures: see `jobs.domain.states`; modes are those chosen, never `auto`.
        cards, workers: names as workers registered them, of the job's last attempt.
        since, until: submitted at or after, and before: epoch seconds.
        grep: part of the prompt, whatever its case (SQLite: whatever the case of ASCII letters).
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
        """Whether only jobs are wanted that have not ended."""
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
