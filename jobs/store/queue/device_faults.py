"""Device faults: whether a job is to blame for a device that only a new process can use again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from sqlalchemy import Connection, select

from jobs.domain.states import DEVICE_FAULT, Failure, State
from jobs.domain.workers import device_key
from jobs.store.base import Found
from jobs.store.queue.avoidance import avoiding
from jobs.store.queue.endings import Ending, failed, released
from jobs.store.tables import attempts, workers


def faulted(
    connection: Connection,
    held: Sequence[Found],
    error: str,
    *,
    alone: bool,
    backoff: Callable[[int], float],
    since: float,
) -> list[Ending]:
    """The endings of attempts that were run together when their device failed.

    The attempt counts against a job that was alone, or that was in hand on another device in an
    earlier fault. The other jobs return to the queue without counting it. All are suspects then:
    they are tried in ever smaller packs, on another device if one can take them.

    Args:
        connection: the transaction that ends the attempts.
        held: the rows of the jobs (`HELD`).
        error: begins with `DEVICE_FAULT`.
        alone: whether the attempt was run without others.
        backoff: returns the seconds to wait after the attempt with the given number.
        since: workers not seen since then are not live.
    """
    before = _faulted_elsewhere(connection, held)

    def ending(row: Found) -> Ending:
        if alone or row.id in before:
            counted = failed(row, Failure.ERROR, error, backoff=backoff)
            # A job that was alone is tried alone again.
            return replace(counted, suspect=True, returns=row.returns)
        return replace(released(row, reason=error), suspect=True)

    return avoiding(
        connection,
        [ending(row) for row in held],
        since=since,
        when=lambda each: each.state is State.QUEUED,
    )


def _faulted_elsewhere(connection: Connection, held: Sequence[Found]) -> set[int]:
    """Ids of the jobs that were in hand in an earlier fault of another device."""
    if not held:
        return set()
    own = {row.id: row.worker_id for row in held}
    known = connection.execute(
        select(workers.c.id, workers.c.host, workers.c.device, workers.c.uuid).where(
            workers.c.id.in_(set(own.values()))
        )
    )
    devices = {row.id: device_key(row.host, row.device, row.uuid) for row in known}
    earlier = connection.execute(
        select(attempts.c.job_id, workers.c.host, workers.c.device, workers.c.uuid)
        .join(workers, workers.c.id == attempts.c.worker_id)
        .where(attempts.c.job_id.in_(own), attempts.c.error.startswith(DEVICE_FAULT))
    )
    return {
        row.job_id
        for row in earlier
        if device_key(row.host, row.device, row.uuid) != devices[own[row.job_id]]
    }
