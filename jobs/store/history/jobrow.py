"""Jobs and attempts as `history` shows them, built from rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, select

from jobs.domain.attempts import MotionQuality, Run
from jobs.domain.batches import Artifact
from jobs.domain.routing import Demand, TextDemand
from jobs.domain.states import Failure, Outcome, State
from jobs.store.base import Found, record
from jobs.store.motions import files_of, to_quality
from jobs.store.queue.endings import text_demand
from jobs.store.tables import batches, jobs

PHASES: tuple[str, ...] = ("queue", "load", "encode", "sample", "decode", "save")


@dataclass(frozen=True)
class JobRow:
    """A job as `history` shows it.

    Attributes:
        worker, card, phases, peak_memory_bytes: values of the last attempt.
        quality: quality of its motion; if the job is cached, of the motion that it shares.
        phases: seconds by name of `PHASES`; None for a phase that the job did not reach.
        paused: whether its batch is paused.
        output: the folder that contains the folder of its batch.
        suspect: whether it may be to blame for the end of a worker that held it.
        returns: how often in a row workers gave it back without counting an attempt.
        text: the encoding that it waits for before it can be sampled.
        original_prompt: the prompt of its row if a rewriter was asked to change it.
        rewrite: the result of the rewriting.
        artifacts: its files; empty unless requested.
    """

    id: int
    batch: str
    custom_id: str
    prompt: str
    mode: str
    requested_mode: str
    frames: int
    seed: int
    steps: int
    guidance: float
    priority: int
    formats: tuple[str, ...]
    model: str
    revision: str
    gib: int
    state: State
    failure: Failure | None
    attempts: int
    attempt_limit: int
    worker: str | None
    card: str | None
    created_at: float
    queued_at: float
    not_before: float
    started_at: float | None
    finished_at: float | None
    cancel_requested: bool
    paused: bool
    output: str
    suspect: bool
    returns: int
    cached_from: int | None
    phases: Mapping[str, float | None]
    peak_memory_bytes: int | None
    quality: MotionQuality
    metadata: Mapping[str, str]
    artifacts: tuple[Artifact, ...] = ()
    text: TextDemand | None = None
    original_prompt: str | None = None
    rewrite: str | None = None

    @property
    def demand(self) -> Demand:
        """The job's requirements of a worker."""
        return Demand(
            model=self.model,
            mode=self.mode,
            gib=self.gib,
            frames=self.frames,
            revision=self.revision,
            text=self.text,
        )

    @property
    def duration(self) -> float | None:
        """Seconds from the last attempt's start to its end."""
        if self.started_at is None or self.finished_at is None:
            return None
        return self.finished_at - self.started_at


@dataclass(frozen=True)
class AttemptRow:
    """One attempt at a job. `error`: the message and the tail of the traceback."""

    number: int
    worker: str
    card: str
    mode: str
    pack_size: int
    outcome: Outcome
    failure: Failure | None
    error: str | None
    started_at: float
    sampling_at: float | None
    finished_at: float | None
    phases: Mapping[str, float | None]
    peak_memory_bytes: int | None
    quality: MotionQuality
    run: Run = field(default_factory=Run)


def select_jobs(key: ColumnElement[Any]) -> Select[*tuple[Any, ...]]:
    """Selects all columns of a `JobRow` from the jobs table, and a sort key named `key`."""
    # Tracebacks are long, and attempts show them.
    return select(*(column for column in jobs.c if column.name != "error"), key.label("key"))


def job_rows(connection: Connection, rows: Sequence[Found], *, files: bool) -> tuple[JobRow, ...]:
    """Rows of `select_jobs` with their batches' names and, if asked, their files."""
    # Looked up rather than joined: SQLite sorts all jobs of two cards where a join comes first, in
    # 800 ms instead of 3 of a million jobs.
    wanted = {row.batch_id for row in rows}
    named = {
        row.id: row
        for row in connection.execute(
            select(batches.c.id, batches.c.name, batches.c.paused, batches.c.output).where(
                batches.c.id.in_(wanted)
            )
        )
    }
    found = files_of(connection, [row.id for row in rows]) if files else {}
    return tuple(_job_row(row, named[row.batch_id], found.get(row.id, ())) for row in rows)


def attempt_row(row: Found) -> AttemptRow:
    """An attempt from a row of the attempts table."""
    return record(
        AttemptRow,
        row,
        worker=row.worker_name,
        outcome=Outcome(row.outcome),
        failure=_failure(row),
        phases=_phases(row),
        quality=to_quality(row),
        run=record(Run, row),
    )


def _failure(row: Found) -> Failure | None:
    return None if row.failure is None else Failure(row.failure)


def _phases(row: Found) -> Mapping[str, float | None]:
    return {phase: getattr(row, f"{phase}_s") for phase in PHASES}


def _job_row(row: Found, batch: Found, files: tuple[Artifact, ...]) -> JobRow:
    return record(
        JobRow,
        row,
        batch=batch.name,
        formats=tuple(row.formats),
        gib=row.class_gib,
        state=State(row.state),
        failure=_failure(row),
        attempts=row.attempt,
        worker=row.worker_name,
        paused=batch.paused,
        output=batch.output,
        phases=_phases(row),
        quality=to_quality(row),
        artifacts=files,
        text=text_demand(row),
    )
