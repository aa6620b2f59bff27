"""Endings: the only code that changes a running job when its attempt ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, bindparam, select, tuple_, update

from jobs.domain.attempts import Claim, MotionQuality, Run, Timings
from jobs.domain.routing import TextDemand
from jobs.domain.states import FINAL, HOPELESS, SUSPECT, Failure, Outcome, State, check
from jobs.store.base import Found, StorePart, columns
from jobs.store.motions import NO_QUALITY
from jobs.store.tables import attempts, jobs

#: Seconds for which the device on which an attempt failed leaves the retry to other devices.
AVOIDED = 60.0
#: The same for a job whose worker was lost. That says little about the device, and the job must
#: run again soon although the only free worker may be the one that was restarted there.
AVOIDED_LOST = 10.0

#: Columns of a running job that are read to decide how its attempt ends.
HELD = (
    jobs.c.id, jobs.c.attempt, jobs.c.attempt_limit, jobs.c.worker_id, jobs.c.class_gib,
    jobs.c.not_before, jobs.c.queued_at, jobs.c.published_at, jobs.c.cancel_requested,
    jobs.c.encode_gib, jobs.c.text_revision, jobs.c.suspect, jobs.c.returns, jobs.c.model,
    jobs.c.mode, jobs.c.frames, jobs.c.revision,
)  # fmt: skip


_PHASES = ("load_s", "encode_s", "sample_s", "decode_s", "save_s")
#: Columns that an ending sets, of those whose value differs from job to job.
_ENDED = (
    "state", "failure", "error", "attempt_limit", "not_before", "worker_id", "class_gib",
    "published_at", "queued_at", "finished_at", "encode_gib", "text_revision", "suspect",
    "returns", "avoid", "avoid_until", "peak_memory_bytes", *_PHASES, *NO_QUALITY,
)  # fmt: skip
_END = (
    update(jobs)
    .where(
        jobs.c.id == bindparam("held_id"),
        jobs.c.attempt == bindparam("held_attempt"),
        jobs.c.state == State.RUNNING,
    )
    .values(
        lease_until=None,
        leased_at=None,
        cancel_requested=False,
        **{name: bindparam(name) for name in _ENDED},
    )
)
_END_ATTEMPT = update(attempts).where(
    attempts.c.job_id == bindparam("held_id"), attempts.c.number == bindparam("held_attempt")
)


@dataclass(frozen=True)
class Ending:
    """The end of one attempt, and the next state of its job.

    Attributes:
        held: the job's row (`HELD`), locked in this transaction.
        state: the next state of the job.
        outcome: the outcome of the attempt.
        failure, error: failure and error of the attempt; the job keeps them while it waits for a
            retry or is failed.
        timings, peak_memory_bytes: None if the attempt ended before they were measured.
        quality: quality of the motion, if there is one.
        delay: seconds until a retry may start.
        gib: the class of the retry; None: unchanged.
        extra: attempts added to the job's limit; 1 if the ended attempt does not count.
        run: how the attempt was run.
        text: the encoding that the job waits for next; None: it needs none.
        suspect: whether the job may be to blame for the end of its worker.
        returns: how often in a row it was given back without counting an attempt.
        avoid: the device that leaves the retry to others for `AVOIDED` seconds; None: none does.
    """

    held: Found
    state: State
    outcome: Outcome
    failure: Failure | None = None
    error: str | None = None
    timings: Timings | None = None
    peak_memory_bytes: int | None = None
    quality: MotionQuality = field(default_factory=MotionQuality)
    delay: float | None = None
    gib: int | None = None
    extra: int = 0
    run: Run = field(default_factory=Run)
    text: TextDemand | None = None
    suspect: bool = False
    returns: int = 0
    avoid: str | None = None


#: Condition: one of the claims in `fences` still holds, so its worker runs the job in this attempt.
HOLDS: ColumnElement[bool] = and_(
    # SQLite, if it has statistics, would read the whole table for the tuples alone.
    jobs.c.id.in_(bindparam("fenced_ids", expanding=True)),
    tuple_(jobs.c.id, jobs.c.attempt, jobs.c.worker_id).in_(bindparam("fences", expanding=True)),
    jobs.c.state == State.RUNNING,
)
_FENCED = select(*HELD).where(HOLDS).order_by(jobs.c.id).with_for_update()


def fences(claims: Iterable[Claim]) -> dict[str, Any]:
    """The parameters of `HOLDS`."""
    found = [(claim.job_id, claim.attempt, claim.worker_id) for claim in claims]
    return {"fences": found, "fenced_ids": [job_id for job_id, *_ in found]}


def fenced(connection: Connection, claims: Sequence[Claim]) -> dict[int, Found]:
    """The rows of the claims that still hold, locked until the transaction ends.

    If a worker lost its lease, its jobs are missing here and none of its results are written.
    """
    if not claims:
        return {}
    return {row.id: row for row in connection.execute(_FENCED, fences(claims))}


def failed(
    held: Found,
    failure: Failure,
    error: str,
    *,
    backoff: Callable[[int], float],
    retry: bool = True,
    gib: int | None = None,
    timings: Timings | None = None,
    peak_memory_bytes: int | None = None,
    run: Run | None = None,
) -> Ending:
    """The ending of a failed attempt: the job is retried, fails, or is cancelled on request."""
    retryable = retry and failure not in HOPELESS and held.attempt < held.attempt_limit
    if held.cancel_requested:
        state = State.CANCELLED
    elif retryable:
        state = State.QUEUED
    else:
        state = State.FAILED
    return Ending(
        held=held,
        state=state,
        outcome=Outcome.FAILED,
        failure=failure,
        error=error,
        timings=timings,
        peak_memory_bytes=peak_memory_bytes,
        delay=backoff(held.attempt) if state is State.QUEUED else None,
        gib=gib if state is State.QUEUED else None,
        run=run or Run(),
        text=text_demand(held),
        suspect=failure in SUSPECT,
    )


def cancelled(held: Found) -> Ending:
    """The ending of an attempt whose job was cancelled while it ran."""
    return Ending(held=held, state=State.CANCELLED, outcome=Outcome.CANCELLED)


def released(
    held: Found,
    *,
    text: TextDemand | None = None,
    reason: str | None = None,
    backoff: Callable[[int], float] | None = None,
) -> Ending:
    """The ending of an attempt that its worker gave up: the job is queued, nothing is counted.

    Args:
        text: the encoding that the job waits for from now on; None: unchanged.
        reason: why, kept as the error of the attempt and of the waiting job.
        backoff: returns the seconds to wait after the n-th return in a row; the first one does not
            wait. None: no return waits.
    """
    if held.cancel_requested:
        return cancelled(held)
    wait = backoff is not None and held.returns > 0
    return Ending(
        held=held,
        state=State.QUEUED,
        outcome=Outcome.RELEASED,
        error=reason,
        delay=backoff(held.returns) if backoff is not None and wait else None,
        extra=1,
        text=text or text_demand(held),
        suspect=held.suspect,
        returns=held.returns + (text is None),
    )


def text_demand(held: Found) -> TextDemand | None:
    """The encoding that a job waits for, or waited for when it was claimed; None: it needs none."""
    if held.encode_gib is None:
        return None
    return TextDemand(gib=held.encode_gib, revision=held.text_revision)


def end(
    store: StorePart, claims: Sequence[Claim], ending: Callable[[Found], Ending]
) -> frozenset[int]:
    """End the attempts of the claims that still hold; `ending` decides from the job's row.

    Returns:
        Ids of the jobs whose claims no longer held; they are unchanged.
    """
    with store.write() as connection:
        held = fenced(connection, claims)
        write_endings(connection, list(map(ending, held.values())), store.present(connection))
    return frozenset(claim.job_id for claim in claims).difference(held)


def write_endings(connection: Connection, endings: Sequence[Ending], now: float) -> None:
    """Update the job and the attempt of every ending."""
    if not endings:
        return
    for ending in endings:
        check(State.RUNNING, ending.state)
    connection.execute(_END, [_job_values(ending, now) for ending in endings])
    connection.execute(_END_ATTEMPT, [_attempt_values(ending, now) for ending in endings])


def _job_values(ending: Ending, now: float) -> dict[str, Any]:
    held = ending.held
    final = ending.state in FINAL
    cancelled = ending.state is State.CANCELLED
    return {
        "held_id": held.id,
        "held_attempt": held.attempt,
        "state": ending.state,
        "failure": None if cancelled else ending.failure,
        "error": None if cancelled else ending.error,
        "attempt_limit": held.attempt_limit + ending.extra,
        "not_before": held.not_before if ending.delay is None else now + ending.delay,
        "worker_id": held.worker_id if final else None,
        "class_gib": ending.gib or held.class_gib,
        "published_at": held.published_at if final else None,
        "queued_at": held.queued_at if final else now,
        "finished_at": now if final else None,
        "encode_gib": None if ending.text is None else ending.text.gib,
        "text_revision": None if ending.text is None else ending.text.revision,
        "suspect": ending.suspect and not final,
        "returns": 0 if final else ending.returns,
        "avoid": None if final else ending.avoid,
        "avoid_until": None
        if final or ending.avoid is None
        else now
        + (ending.delay or 0)
        + (AVOIDED_LOST if ending.failure is Failure.LOST else AVOIDED),
        **_figures(ending.timings, ending.peak_memory_bytes, ending.quality),
    }


def _attempt_values(ending: Ending, now: float) -> dict[str, Any]:
    return {
        "held_id": ending.held.id,
        "held_attempt": ending.held.attempt,
        "outcome": ending.outcome,
        "failure": ending.failure,
        "error": ending.error,
        "finished_at": now,
        **_figures(ending.timings, ending.peak_memory_bytes, ending.quality),
        **columns(ending.run),
    }


def _figures(
    timings: Timings | None, peak_memory_bytes: int | None, quality: MotionQuality
) -> dict[str, Any]:
    measured = {name: getattr(timings, name.removesuffix("_s"), None) for name in _PHASES}
    return {**measured, "peak_memory_bytes": peak_memory_bytes, **columns(quality)}
