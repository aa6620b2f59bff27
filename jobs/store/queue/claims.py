"""Claiming: a worker takes a pack of jobs that it can run, in one transaction, under a lease."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

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
from jobs.domain.routing import EVERYTHING, Demand, Offer, Reach
from jobs.domain.states import Outcome, State, sources
from jobs.domain.workers import device_key
from jobs.errors import NotFoundError
from jobs.store.base import Found, StorePart, record
from jobs.store.motions import NO_QUALITY
from jobs.store.queue.lanes import (
    ORDER,
    QUEUED,
    READY,
    RUNNING,
    SAMPLING,
    SUSPECTS,
    WAITING,
    Claimant,
    Lane,
    best,
    classes,
    lane,
    suits,
)
from jobs.store.queue.suspects import pack_size, tries
from jobs.store.tables import attempts, batches, jobs, workers

#: Candidates read for each job of the pack. When several workers claim at once, PostgreSQL's SKIP
#: LOCKED skips the candidates that another worker has locked, so more are read than are taken.
_WIDTH = 4
#: Rounds of reading candidates. With many workers every candidate may be locked; the next round
#: reads `_WIDTH` times as many.
_ROUNDS = 4

#: The claiming worker, and a suspect if any is queued.
_WORKER = select(
    workers.c.id, workers.c.name, workers.c.card, workers.c.host, workers.c.device, workers.c.uuid,
    select(jobs.c.id).where(QUEUED, SAMPLING, SUSPECTS).limit(1).scalar_subquery().label("suspect"),
).where(workers.c.id == bindparam("id", type_=BigInteger))  # fmt: skip
_WAITS = select(jobs.c.id).where(jobs.c.id == bindparam("id", type_=BigInteger), QUEUED)
_HEAD = select(
    jobs.c.id, jobs.c.model, jobs.c.mode, jobs.c.steps, jobs.c.revision, jobs.c.class_gib,
    jobs.c.frames, jobs.c.suspect, jobs.c.attempt, jobs.c.attempt_limit, jobs.c.returns,
).where(jobs.c.id == bindparam("head", type_=BigInteger))  # fmt: skip
#: All columns of a `Claim` that a job has before it is claimed.
_JOBS = select(
    jobs.c.id, jobs.c.custom_id, jobs.c.prompt, jobs.c.frames, jobs.c.seed, jobs.c.mode,
    jobs.c.steps, jobs.c.guidance, jobs.c.formats, jobs.c.model, jobs.c.revision,
    jobs.c.class_gib, jobs.c.suspect, jobs.c.attempt, jobs.c.attempt_limit, jobs.c.returns,
    batches.c.name.label("batch"), batches.c.output, batches.c.token,
).join(batches, batches.c.id == jobs.c.batch_id)  # fmt: skip
#: Selects and locks the jobs of the given ids that are ready.
TAKEABLE = _JOBS.where(jobs.c.id.in_(bindparam("among", expanding=True)), *READY).with_for_update(
    skip_locked=True, of=jobs
)
#: Selects and locks the jobs that a worker runs.
_OWN = (
    _JOBS.add_columns(jobs.c.queue_s)
    .where(RUNNING, jobs.c.worker_id == bindparam("by", type_=BigInteger))
    .order_by(jobs.c.id)
    .with_for_update(of=jobs)
)
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
        reach: Reach = EVERYTHING,
        packs: int = 0,
        alive: float = 60.0,
    ) -> list[Claim]:
        """Claim a pack: a first job and further jobs of the same model, mode, steps and revision.

        The first job is `job_id`; without one it is the best job that this offer can take: by
        priority, then class (largest first), then id. The others follow in the same order and are
        of the same class or smaller. Suspects (jobs whose worker died) have packs of their own:
        see `jobs.store.queue.suspects`.

        Args:
            worker_id: the claiming worker, from `WorkerStore.register`.
            offer: what the worker can run.
            job_id: the job that a message named. Nothing is claimed if the job is not ready: it
                has ended, or another worker holds it.
            limit: the maximum number of jobs in the pack (at least 1), or a function that computes
                it from the first job's demand. The function runs inside the transaction, so it
                must not do I/O.
            lease: seconds after which the claim expires unless it is renewed.
            reach: the part of the offer that the worker can take at this moment.
            packs: number of packs that this worker has claimed so far.
            alive: workers not seen for this many seconds take no suspects.

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
            claimant = Claimant(now, device_key(worker.host, worker.device, worker.uuid), reach)
            search = _Search(connection, offer, claimant)
            for turn in range(_ROUNDS):
                head = search.named(job_id) if job_id is not None else search.best()
                if worker.suspect and (head is not None or job_id is None):
                    head = _choose(search, worker_id, head, packs=packs, since=now - alive)
                if head is None:
                    return []
                most = max(1, limit if isinstance(limit, int) else limit(_demand(head)))
                if head.suspect:
                    most = pack_size(head, most)
                width = most * _WIDTH ** (turn + 1) if self._is_postgresql else 1
                pack = search.pack(head, most=most, width=width)
                if pack or job_id is not None:
                    break
            return take(connection, worker, pack, now=now, lease=lease)

    def own(
        self, worker_id: int, held: Collection[int], *, lease: float, texts: bool
    ) -> list[Claim]:
        """Renew and return the claims of a worker that it does not know of.

        The commit of a claim may have succeeded although its answer was lost.

        Args:
            worker_id: the worker.
            held: the jobs that it knows of.
            lease: seconds after which the claims expire, from now.
            texts: whether to return the claims of texts to encode, or those to sample.
        """
        query = _OWN.where(WAITING if texts else SAMPLING)
        with self.write() as connection:
            rows = connection.execute(query, {"by": worker_id}).all()
            lost = {row.id: row for row in rows if row.id not in held}
            if lost:
                now = self.present(connection)
                connection.execute(
                    update(jobs)
                    .where(jobs.c.id.in_(list(lost)))
                    .values(lease_until=now + lease, leased_at=now)
                )
        return [_claim(row, worker_id, lost) for row in lost.values()]

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


@dataclass(frozen=True)
class _Search:
    """Reads the lanes of an offer for one claim."""

    connection: Connection
    offer: Offer
    claimant: Claimant

    def named(self, job_id: int) -> Found | None:
        """The job that a message named, locked, if it is ready."""
        ready = (suits(self.offer, self.claimant.reach), *self.claimant.conditions())
        query = _HEAD.where(*ready).with_for_update(skip_locked=True)
        values = {"head": job_id, **self.claimant.values()}
        return self.connection.execute(query, values).one_or_none()

    def best(self, *, suspects: bool = False) -> Found | None:
        """The best job of all lanes."""
        lanes = [
            wanted
            for model in self.offer.models
            for mode in self.offer.modes
            for wanted in self._lanes(model, mode, suspects=suspects)
        ]
        if not lanes:
            return None
        query = best(lanes, 1, claimant=self.claimant, suspects=suspects)
        first = self.connection.scalars(*query).one_or_none()
        return self.connection.execute(_HEAD, {"head": first}).one_or_none()

    def pack(self, head: Found, *, most: int, width: int) -> Sequence[Found]:
        """The jobs of the pack, locked: the first job if it is still ready, then matching jobs."""
        among = [head.id]
        wanted = max(most, width)
        # On PostgreSQL another worker may have claimed the first job, and emptied its lane, by now.
        lanes = (
            self._lanes(head.model, head.mode, most=head.class_gib, suspects=head.suspect)
            if wanted > 1
            else []
        )
        if lanes and most > 1:
            found = best(
                lanes, wanted, claimant=self.claimant, steps=head.steps, revision=head.revision,
                suspects=head.suspect,
            )  # fmt: skip
            among += [number for number in self.connection.scalars(*found) if number != head.id]
        values = {"among": among, "head": head.id, "now": self.claimant.now, "most": most}
        return self.connection.execute(_LOCKED, values).all()

    def _lanes(
        self, model: str, mode: str, *, most: int | None = None, suspects: bool
    ) -> list[Lane]:
        if (model, mode) in self.claimant.reach.without:
            return []
        most = self.offer.memory_bytes // GIB if most is None else most
        return lanes_of(self.connection, model, mode, most, self.offer, suspects=suspects)


def _choose(
    search: _Search, worker_id: int, head: Found | None, *, packs: int, since: float
) -> Found | None:
    """The head of the pack, of the best job and the best suspect.

    A suspect that a message named waits for its turn like any other.
    """
    named = head is not None and head.suspect
    suspect = head if named else search.best(suspects=True)
    healthy = search.best() if named else head
    if suspect is None:
        return healthy
    wanted = _demand(suspect)
    if healthy is None or tries(search.connection, worker_id, wanted, packs=packs, since=since):
        return suspect
    return healthy


def lanes_of(
    connection: Connection,
    model: str,
    mode: str,
    most: int,
    offer: Offer,
    *,
    suspects: bool = False,
) -> list[Lane]:
    """The lanes of a model and mode that contain jobs, up to a class of `most` GiB.

    Empty if the offer lacks the weights of this mode for this model, even if it has the mode for
    other models.
    """
    own = offer.revisions.get(model)
    if own is not None and mode not in own:
        return []
    values = {"model": model, "mode": mode, "most": most}
    found = connection.scalars(classes(suspects=suspects), values)
    return [lane(model, mode, gib, offer) for gib in found]


def _demand(head: Found) -> Demand:
    return Demand(
        model=head.model,
        mode=head.mode,
        gib=head.class_gib,
        frames=head.frames,
        revision=head.revision,
    )


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
