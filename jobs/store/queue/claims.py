"""Claiming: a worker takes a pack of jobs that it can run, in one transaction, under a lease."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

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
    update,
)

from jobs.domain.attempts import Claim
from jobs.domain.memory import GIB
from jobs.domain.routing import Demand, Offer
from jobs.domain.states import SUSPECT, Outcome, State, sources
from jobs.errors import NotFoundError
from jobs.store.base import Found, StorePart, record
from jobs.store.motions import NO_QUALITY
from jobs.store.queue.lanes import ORDER, QUEUED, READY, SAMPLING, Lane, best, classes, lane, suits
from jobs.store.tables import attempts, batches, jobs, workers

#: Candidates read for each job of the pack. When several workers claim at once, PostgreSQL's SKIP
#: LOCKED skips the candidates that another worker has locked, so more are read than are taken.
_WIDTH = 4
#: Rounds of reading candidates. With many workers every candidate may be locked; the next round
#: reads `_WIDTH` times as many.
_ROUNDS = 4

_WORKER = select(workers.c.id, workers.c.name, workers.c.card).where(
    workers.c.id == bindparam("id", type_=BigInteger)
)
_WAITS = select(jobs.c.id).where(jobs.c.id == bindparam("id", type_=BigInteger), QUEUED)
_HEAD = select(
    jobs.c.id, jobs.c.model, jobs.c.mode, jobs.c.steps, jobs.c.revision, jobs.c.class_gib,
    jobs.c.frames, jobs.c.failure,
).where(jobs.c.id == bindparam("head", type_=BigInteger))  # fmt: skip
#: Selects and locks the jobs of the given ids that are ready, with all columns of a `Claim`.
TAKEABLE = (
    select(
        jobs.c.id, jobs.c.custom_id, jobs.c.prompt, jobs.c.frames, jobs.c.seed, jobs.c.mode,
        jobs.c.steps, jobs.c.guidance, jobs.c.formats, jobs.c.model, jobs.c.revision,
        jobs.c.class_gib, batches.c.name.label("batch"), batches.c.output,
    )
    .join(batches, batches.c.id == jobs.c.batch_id)
    .where(jobs.c.id.in_(bindparam("among", expanding=True)), *READY)
    .with_for_update(skip_locked=True, of=jobs)
)  # fmt: skip
_LOCKED = (
    TAKEABLE.where(SAMPLING)
    .order_by(case((jobs.c.id == bindparam("head", type_=BigInteger), 0), else_=1), *ORDER)
    .limit(bindparam("most", type_=Integer))
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
        "started_at", "queue_s",
    ],
    select(
        jobs.c.id, jobs.c.attempt, jobs.c.worker_id, jobs.c.worker_name, jobs.c.card,
        func.coalesce(bindparam("phase", type_=String), jobs.c.mode),
        bindparam("size", type_=Integer), literal(Outcome.RUNNING.value), jobs.c.started_at,
        jobs.c.queue_s,
    ).where(jobs.c.id.in_(bindparam("ids", expanding=True))),
)  # fmt: skip


class ClaimStore(StorePart):
    """Claims queued jobs for a worker."""

    def claim(
        self,
        worker_id: int,
        offer: Offer,
        *,
        job_id: int | None = None,
        limit: Callable[[Demand], int] | int = 1,
        lease: float,
    ) -> list[Claim]:
        """Claim a pack: a first job and further jobs of the same model, mode, steps and revision.

        The first job is `job_id`; without one it is the best job that this offer can take: by
        priority, then class (largest first), then id. The others follow in the same order and are
        of the same class or smaller. A job that was running when its worker died is claimed alone:
        see `jobs.domain.states.SUSPECT`.

        Args:
            worker_id: the claiming worker, from `WorkerStore.register`.
            offer: what the worker can run.
            job_id: the job that a message named. Nothing is claimed if the job is not ready: it
                has ended, or another worker holds it.
            limit: the maximum number of jobs in the pack (at least 1), or a function that computes
                it from the first job's demand. The function runs inside the transaction, so it
                must not do I/O.
            lease: seconds after which the claim expires unless it is renewed.

        Returns:
            The claims, the first job first; empty if no job can be claimed.

        Raises:
            NotFoundError: no worker has this id.
        """
        if job_id is not None and not self._queued(job_id):
            return []
        with self.write() as connection:
            worker = registered(connection, worker_id)
            now = self.present(connection)
            for turn in range(_ROUNDS):
                head = _head(connection, offer, now, job_id)
                if head is None:
                    return []
                most = _most(head, limit)
                width = most * _WIDTH ** (turn + 1) if self._is_postgresql else 1
                pack = _pack(connection, offer, now, head, most=max(1, most), width=width)
                if pack or job_id is not None:
                    break
            return take(connection, worker, pack, now=now, lease=lease)

    def _queued(self, job_id: int) -> bool:
        """Whether the job is queued. The messages of a pack's jobs still arrive one by one after
        the pack was claimed; this read saves a write transaction for each of them."""
        with self.read() as connection:
            return connection.execute(_WAITS, {"id": job_id}).one_or_none() is not None


def registered(connection: Connection, worker_id: int) -> Found:
    """The worker's row; raises `NotFoundError` if there is none."""
    row = connection.execute(_WORKER, {"id": worker_id}).one_or_none()
    if row is None:
        raise NotFoundError("worker", str(worker_id), "register it before it claims")
    return row


def _head(connection: Connection, offer: Offer, now: float, job_id: int | None) -> Found | None:
    """The job that the rest of the pack must match. A job named by a message is locked here."""
    if job_id is not None:
        named = _HEAD.where(suits(offer), *READY).with_for_update(skip_locked=True)
        return connection.execute(named, {"head": job_id, "now": now}).one_or_none()
    lanes = [
        wanted
        for model in offer.models
        for mode in offer.modes
        for wanted in lanes_of(connection, model, mode, offer.memory_bytes // GIB, offer)
    ]
    if not lanes:
        return None
    first = connection.scalars(*best(lanes, 1, now=now)).one_or_none()
    return connection.execute(_HEAD, {"head": first}).one_or_none()


def lanes_of(connection: Connection, model: str, mode: str, most: int, offer: Offer) -> list[Lane]:
    """The lanes of a model and mode that contain jobs, up to a class of `most` GiB.

    Empty if the offer lacks the weights of this mode for this model, even if it has the mode for
    other models.
    """
    own = offer.revisions.get(model)
    if own is not None and mode not in own:
        return []
    found = connection.scalars(classes(), {"model": model, "mode": mode, "most": most})
    return [lane(model, mode, gib, offer) for gib in found]


def _most(head: Found, limit: Callable[[Demand], int] | int) -> int:
    if head.failure in SUSPECT:
        return 1
    return limit if isinstance(limit, int) else limit(_demand(head))


def _demand(head: Found) -> Demand:
    return Demand(model=head.model, mode=head.mode, gib=head.class_gib, frames=head.frames)


def _pack(
    connection: Connection, offer: Offer, now: float, head: Found, *, most: int, width: int
) -> Sequence[Found]:
    """The jobs of the pack, locked: the first job if it is still ready, then matching jobs."""
    among = [head.id]
    wanted = max(most, width)
    lanes = lanes_of(connection, head.model, head.mode, head.class_gib, offer) if wanted > 1 else []
    # On PostgreSQL another worker may have claimed the first job, and emptied its lane, by now.
    if lanes:
        found = best(lanes, wanted, now=now, steps=head.steps, revision=head.revision)
        among += [number for number in connection.scalars(*found) if number != head.id]
    values = {"among": among, "head": head.id, "now": now, "most": most}
    return connection.execute(_LOCKED, values).all()


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

    `phase` is recorded as the attempts' mode; None records the mode of each job.
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
    return [_claim(row, worker.id, held) for row in pack if row.id in held]


def _claim(row: Found, worker_id: int, held: Mapping[int, Found]) -> Claim:
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
