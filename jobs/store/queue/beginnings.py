"""Beginnings: a worker takes jobs; their rows are leased, and an attempt of each begins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import (
    BigInteger,
    Connection,
    Double,
    Integer,
    String,
    bindparam,
    case,
    func,
    insert,
    literal,
    select,
    tuple_,
    update,
)

from jobs.domain.attempts import Claim
from jobs.domain.states import Outcome, State, sources
from jobs.errors import NotFoundError
from jobs.store.base import Found, record
from jobs.store.motions import NO_QUALITY
from jobs.store.queue.conditions import QUEUED, READY, SAMPLING, SUSPECTS
from jobs.store.tables import attempts, batches, jobs, workers

#: The claiming worker, and a suspect if any is queued.
_WORKER = select(
    workers.c.id, workers.c.name, workers.c.card, workers.c.host, workers.c.device, workers.c.uuid,
    select(jobs.c.id).where(QUEUED, SAMPLING, SUSPECTS).limit(1).scalar_subquery().label("suspect"),
).where(workers.c.id == bindparam("id", type_=BigInteger))  # fmt: skip
#: All columns of a `Claim` that a job has before it is claimed.
CLAIMED = select(
    jobs.c.id, jobs.c.batch_id, jobs.c.custom_id, jobs.c.prompt, jobs.c.frames, jobs.c.seed,
    jobs.c.mode, jobs.c.steps, jobs.c.guidance, jobs.c.priority, jobs.c.formats, jobs.c.model,
    jobs.c.revision, jobs.c.class_gib, jobs.c.suspect, jobs.c.attempt, jobs.c.attempt_limit,
    jobs.c.returns, batches.c.name.label("batch"), batches.c.output, batches.c.token,
).join(batches, batches.c.id == jobs.c.batch_id)  # fmt: skip
#: Selects and locks the jobs of the given ids that are ready.
TAKEABLE = CLAIMED.where(jobs.c.id.in_(bindparam("among", expanding=True)), *READY).with_for_update(
    skip_locked=True, of=jobs
)
_AT = bindparam("at", type_=Double)
_SINCE = case((jobs.c.not_before > jobs.c.queued_at, jobs.c.not_before), else_=jobs.c.queued_at)
_TAKE = (
    update(jobs)
    .where(
        jobs.c.id.in_(bindparam("ids", expanding=True)),
        jobs.c.state.in_(sources(State.RUNNING)),
    )
    .values(
        state=State.RUNNING,
        attempt=jobs.c.attempt + 1,
        worker_id=bindparam("by"),
        worker_name=bindparam("by_name"),
        card=bindparam("by_card"),
        lease_until=bindparam("until"),
        leased_at=_AT,
        started_at=_AT,
        failure=None,
        error=None,
        # If the clock was set back, the wait would be negative.
        queue_s=case((_SINCE < _AT, _AT - _SINCE), else_=0.0),
        **dict.fromkeys(("load_s", "encode_s", "sample_s", "decode_s", "save_s"), None),
        peak_memory_bytes=None,
        **NO_QUALITY,
    )
    .returning(jobs.c.id, jobs.c.attempt, jobs.c.queue_s)
)
_BEGIN = insert(attempts).from_select(
    [
        "job_id", "number", "worker_id", "worker_name", "card", "mode", "pack_size", "outcome",
        "started_at", "queue_s", "sampling_at",
    ],
    select(
        jobs.c.id, jobs.c.attempt, jobs.c.worker_id, jobs.c.worker_name, jobs.c.card,
        func.coalesce(bindparam("phase", type_=String), jobs.c.mode),
        bindparam("size", type_=Integer), literal(Outcome.RUNNING.value), jobs.c.started_at,
        jobs.c.queue_s, case((bindparam("phase", type_=String).is_not(None), jobs.c.started_at)),
    ).where(jobs.c.id.in_(bindparam("ids", expanding=True))),
)  # fmt: skip

_SAMPLED = (
    update(attempts)
    .where(
        attempts.c.job_id.in_(bindparam("ids", expanding=True)),
        tuple_(attempts.c.job_id, attempts.c.number).in_(bindparam("begun", expanding=True)),
        attempts.c.sampling_at.is_(None),
    )
    .values(sampling_at=_AT)
)


def registered(connection: Connection, worker_id: int) -> Found:
    """The worker's row; raises `NotFoundError` if there is none."""
    row = connection.execute(_WORKER, {"id": worker_id}).one_or_none()
    if row is None:
        raise NotFoundError("worker", str(worker_id), "register it before it claims")
    return row


def take(
    connection: Connection,
    worker: Found,
    pack: Sequence[Found],
    *,
    now: float,
    lease: float,
    phase: str | None = None,
) -> list[Claim]:
    """Lease the rows of `TAKEABLE` and insert an attempt for each.

    `phase` is recorded as the attempts' mode, and they begin their work at once; None records the
    mode of each job, whose sampling begins with `sample`.
    """
    if not pack:
        return []
    taken = connection.execute(
        _TAKE,
        {
            "ids": [row.id for row in pack],
            "at": now,
            "until": now + lease,
            "by": worker.id,
            "by_name": worker.name,
            "by_card": worker.card,
        },
    )
    held = {row.id: row for row in taken}
    connection.execute(_BEGIN, {"ids": list(held), "size": len(held), "phase": phase})
    return [to_claim(row, worker.id, held) for row in pack if row.id in held]


def sample(connection: Connection, held: Iterable[Found], now: float) -> None:
    """Record that the sampling of running jobs begins, unless it began before.

    `held`: their rows, locked in this transaction.
    """
    begun = [(row.id, row.attempt) for row in held]
    if begun:
        connection.execute(
            _SAMPLED, {"begun": begun, "ids": [job_id for job_id, _ in begun], "at": now}
        )


def to_claim(row: Found, worker_id: int, held: Mapping[int, Found]) -> Claim:
    """The claim of a row of `CLAIMED`; `held`: job → its attempt and wait for the queue."""
    return record(
        Claim,
        row,
        job_id=row.id,
        attempt=held[row.id].attempt,
        worker_id=worker_id,
        formats=tuple(row.formats),
        gib=row.class_gib,
        queue_s=held[row.id].queue_s,
    )
