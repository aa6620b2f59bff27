"""How an attempt ends: the one place where a running job is written back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, bindparam, select, tuple_, update

from jobs.domain.attempts import Claim, MotionQuality, Run, Timings
from jobs.domain.routing import TextDemand
from jobs.domain.states import FINAL, HOPELESS, Failure, Outcome, State, check
from jobs.store.base import Found, StorePart
from jobs.store.tables import attempts, jobs

#: What is read of a running job before its end is decided.
HELD = (
    jobs.c.id, jobs.c.attempt, jobs.c.attempt_limit, jobs.c.worker_id, jobs.c.class_gib,
    jobs.c.not_before, jobs.c.queued_at, jobs.c.published_at, jobs.c.cancel_requested,
    jobs.c.encode_gib, jobs.c.text_revision,
)  # fmt: skip


@dataclass(frozen=True)
class Ending:
    """What becomes of one running job.

    Attributes:
        held: the job's row (`HELD`), locked in this transaction.
        state: where the job goes.
        outcome: what its attempt came to.
        failure, error: of the attempt; the job shows them while it waits for a retry or failed.
        timings, peak_memory_bytes: None where the attempt ended without having been measured.
        quality: of the motion, where one was made.
        delay: seconds until a retry may start.
        gib: the class to retry in; None: as before.
        extra: further attempts granted, where the ended one shall not count.
        run: how it was run.
        text: what the job waits for next; None: for nobody to encode its text.
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


def holds(claims: Iterable[Claim]) -> ColumnElement[bool]:
    """The condition that a claim still holds: its job runs, in the same attempt, by its worker."""
    fences = [(claim.job_id, claim.attempt, claim.worker_id) for claim in claims]
    return and_(
        tuple_(jobs.c.id, jobs.c.attempt, jobs.c.worker_id).in_(fences),
        jobs.c.state == State.RUNNING,
    )


def fenced(connection: Connection, claims: Sequence[Claim]) -> dict[int, Found]:
    """The rows of those claims that still hold, locked until the transaction ends.

    A worker that was away too long finds its jobs taken from it here, and nothing that it brings
    is written.
    """
    query = select(*HELD).where(holds(claims)).order_by(jobs.c.id).with_for_update()
    return {row.id: row for row in connection.execute(query)} if claims else {}


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
    """How a job goes on after a failed attempt: again later, or not, or as its owner asked."""
    hopeful = retry and failure not in HOPELESS and held.attempt < held.attempt_limit
    if held.cancel_requested:
        state = State.CANCELLED
    elif hopeful:
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
    )


def cancelled(held: Found) -> Ending:
    """How a job ends that its owner cancelled while it ran."""
    return Ending(held=held, state=State.CANCELLED, outcome=Outcome.CANCELLED)


def released(held: Found, *, text: TextDemand | None = None) -> Ending:
    """How a job goes on that was given back untouched: the attempt does not count.

    Args:
        text: what it waits for from now on; None: what it waited for before, if anything.
    """
    if held.cancel_requested:
        return cancelled(held)
    return Ending(
        held=held,
        state=State.QUEUED,
        outcome=Outcome.RELEASED,
        extra=1,
        text=text or text_demand(held),
    )


def text_demand(held: Found) -> TextDemand | None:
    """What a job waits for before it can be sampled, and a running one when it was claimed."""
    if held.encode_gib is None:
        return None
    return TextDemand(gib=held.encode_gib, revision=held.text_revision)


def end(
    store: StorePart, claims: Sequence[Claim], ending: Callable[[Found], Ending]
) -> frozenset[int]:
    """End the attempts of these claims, each as `ending` says of its job's row, if it still holds.

    Returns:
        The refused job ids, whose claims no longer held.
    """
    with store.write() as connection:
        held = fenced(connection, claims)
        write_endings(connection, list(map(ending, held.values())), store.present(connection))
    return frozenset(claim.job_id for claim in claims).difference(held)


def write_endings(connection: Connection, endings: Sequence[Ending], now: float) -> None:
    """Write every ending: the job's row and the attempt's."""
    if not endings:
        return
    for ending in endings:
        check(State.RUNNING, ending.state)
    names = (
        "state", "failure", "error", "attempt_limit", "not_before", "worker_id", "class_gib",
        "published_at", "queued_at", "finished_at", "encode_gib", "text_revision",
        *_figures(None, None, MotionQuality()),
    )  # fmt: skip
    connection.execute(
        update(jobs)
        .where(
            jobs.c.id == bindparam("held_id"),
            jobs.c.attempt == bindparam("held_attempt"),
            jobs.c.state == State.RUNNING,
        )
        .values(
            lease_until=None, cancel_requested=False, **{name: bindparam(name) for name in names}
        ),
        [_job_values(ending, now) for ending in endings],
    )
    connection.execute(
        update(attempts).where(
            attempts.c.job_id == bindparam("held_id"),
            attempts.c.number == bindparam("held_attempt"),
        ),
        [_attempt_values(ending, now) for ending in endings],
    )


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
        **asdict(ending.run),
    }


def _figures(
    timings: Timings | None, peak_memory_bytes: int | None, quality: MotionQuality
) -> dict[str, Any]:
    phases = ("load", "encode", "sample", "decode", "save")
    measured = {f"{phase}_s": getattr(timings, phase, None) for phase in phases}
    return {**measured, "peak_memory_bytes": peak_memory_bytes, **asdict(quality)}
