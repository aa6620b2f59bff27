"""Claiming: a worker takes a pack of jobs that it can run, in one transaction, under a lease."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType

from sqlalchemy import BigInteger, Connection, bindparam, select, update

from jobs.domain.attempts import Claim, Renewal
from jobs.domain.routing import EVERYTHING, Demand, Offer, Reach
from jobs.domain.spec import MAX_PRIORITY, URGENT
from jobs.domain.workers import device_key
from jobs.store.base import Found, StorePart
from jobs.store.queue.beginnings import CLAIMED, registered, sample, take, to_claim
from jobs.store.queue.conditions import QUEUED, RUNNING, SAMPLING, WAITING, Claimant
from jobs.store.queue.endings import HOLDS, fences
from jobs.store.queue.leases import renewal
from jobs.store.queue.packs import PackSearch, demand
from jobs.store.queue.suspects import pack_size
from jobs.store.tables import jobs

#: Candidates read for each job of the pack. When several workers claim at once, PostgreSQL's SKIP
#: LOCKED skips the candidates that another worker has locked, so more are read than are taken.
_WIDTH = 4
#: Rounds of reading candidates. With many workers every candidate may be locked; the next round
#: reads `_WIDTH` times as many.
_ROUNDS = 4

#: No batch has headed a pack: the first one is next.
FIRST: Mapping[int, int] = MappingProxyType({})

#: Locks the jobs whose sampling begins.
_BEGINNING = (
    select(jobs.c.id, jobs.c.attempt, jobs.c.cancel_requested)
    .where(HOLDS)
    .order_by(jobs.c.id)
    .with_for_update()
)
_WAITS = select(jobs.c.id).where(jobs.c.id == bindparam("id", type_=BigInteger), QUEUED)
#: Selects and locks the jobs that a worker runs.
_OWN = (
    CLAIMED.add_columns(jobs.c.queue_s)
    .where(RUNNING, jobs.c.worker_id == bindparam("by", type_=BigInteger))
    .order_by(jobs.c.id)
    .with_for_update(of=jobs)
)


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
        after: Mapping[int, int] = FIRST,
        packs: int = 0,
        alive: float = 60.0,
        urgent: bool = False,
        begun: bool = False,
    ) -> list[Claim]:
        """Claim a pack: a first job and further jobs of the same model, mode, steps and revision.

        The first job has the highest priority that this offer can take. Of this priority, the
        batches take turns in the order of their ids: it is the first job, by class (largest first)
        and id, of the batch that follows the one in `after`. The others are jobs of this turn, then
        further jobs by priority, batch, class and id; all are of the same class as the first or
        smaller. If the first job is urgent, all are. Suspects (jobs whose worker died) have packs
        of their own: see `jobs.store.queue.suspects`.

        Args:
            worker_id: the claiming worker, from `WorkerStore.register`.
            offer: what the worker can run.
            job_id: the job that a message named. It says that there is work, and waits for its turn
                like any other. Nothing is claimed if it is not queued any more.
            limit: the maximum number of jobs in the pack (at least 1), or a function that computes
                it from the first job's demand. The function runs inside the transaction, so it
                must not do I/O.
            lease: seconds after which the claim expires unless it is renewed.
            reach: the part of the offer that the worker can take at this moment.
            after: priority → id of the batch that headed this worker's last pack of that priority,
                the last of all packs at the end.
            packs: number of packs that this worker has claimed so far.
            alive: workers not seen for this many seconds take no suspects.
            urgent: claim only a pack whose head is urgent (`jobs.domain.spec.URGENT`), if there is
                one. If there is none, this takes a read and no write lock.
            begun: whether the sampling of the pack begins at once, as if `begin` were called.

        Returns:
            The claims, the first job first; empty if no job can be claimed.

        Raises:
            NotFoundError: no worker has this id.
        """
        if job_id is not None and not self._queued(job_id):
            return []
        lowest = URGENT if urgent else -MAX_PRIORITY
        if urgent and not self._any(worker_id, offer, reach, lowest):
            return []
        with self.write() as connection:
            worker = registered(connection, worker_id)
            claimant = self._claimant(connection, worker, reach)
            search = PackSearch(connection, offer, claimant, after, lowest)
            pack: Sequence[Found] = ()
            for attempt in range(_ROUNDS):
                if worker.suspect:
                    head = search.choose(worker_id, packs=packs, since=claimant.now - alive)
                else:
                    head = search.head()
                if head is None:
                    return []
                most = max(1, limit if isinstance(limit, int) else limit(demand(head)))
                if head.suspect:
                    most = pack_size(head, most)
                width = most * _WIDTH ** (attempt + 1) if self._is_postgresql else most
                pack = search.pack(head, most=most, width=width)
                if pack:
                    break
            return take(connection, worker, pack, now=claimant.now, lease=lease, begun=begun)

    def begin(self, claims: Sequence[Claim]) -> Renewal:
        """Record that the sampling of a pack begins.

        If its worker dies from now on, the attempts count and the jobs are suspects; before, they
        go back as if they had not been claimed. A second call for an attempt changes nothing.

        Returns:
            As `LeaseStore.look`: the jobs whose claims no longer hold, and those that a user asked
            to cancel. Nothing is recorded for either.
        """
        with self.write() as connection:
            rows = connection.execute(_BEGINNING, fences(claims)) if claims else ()
            held = {row.id: row for row in rows}
            wanted = [row for row in held.values() if not row.cancel_requested]
            sample(connection, wanted, self.present(connection))
        return renewal(claims, held)

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
        return [to_claim(row, worker_id, lost) for row in lost.values()]

    def _any(self, worker_id: int, offer: Offer, reach: Reach, lowest: int) -> bool:
        """Whether a pack could be claimed whose head has this priority or a higher one."""
        with self.read() as connection:
            worker = registered(connection, worker_id)
            claimant = self._claimant(connection, worker, reach)
            search = PackSearch(connection, offer, claimant, FIRST, lowest)
            suspect = worker.suspect is not None and search.head(suspects=True) is not None
            return suspect or search.head() is not None

    def _claimant(self, connection: Connection, worker: Found, reach: Reach) -> Claimant:
        device = device_key(worker.host, worker.device, worker.uuid)
        return Claimant(self.present(connection), device, reach)

    def _queued(self, job_id: int) -> bool:
        """Whether the job is queued. The messages of a pack's jobs still arrive one by one after
        the pack was claimed; this read saves a write transaction for each of them."""
        with self.read() as connection:
            return connection.execute(_WAITS, {"id": job_id}).one_or_none() is not None
