"""The queue operations of one worker."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial

from jobs.artifacts.folder import Sight
from jobs.artifacts.mark import adopt
from jobs.domain.attempts import Claim, Failed, Renewal, Run, Success, Timings
from jobs.domain.backoff import exponential
from jobs.domain.batches import Batch
from jobs.domain.pauses import Pause, PauseScope
from jobs.domain.routing import EVERYTHING, Demand, Offer, Reach, TextDemand, fits
from jobs.settings import Settings
from jobs.store.offers import LIVE
from jobs.store.queue.encoding import Waiter
from jobs.store.store import Store
from worker.execution.database_retry import DatabaseRetry
from worker.execution.save import publish


class WorkerQueue:
    """Claims, ends and parks jobs on behalf of one worker.

    Every call except `renew` and `look` is repeated until the database answers; `OutageError` ends
    the wait of a draining worker. `jobs.store.queue` documents each call in full.

    Args:
        store: the database.
        worker_id, offer: the worker's id, and the jobs that it can run.
        settings: `lease`, `backoff` and `alive` are used.
        retry: repeats calls that the database did not answer.
    """

    def __init__(
        self,
        *,
        store: Store,
        worker_id: int,
        offer: Offer,
        settings: Settings,
        retry: DatabaseRetry,
    ) -> None:
        self._store = store
        self._worker_id = worker_id
        self._offer = offer
        self._lease = settings.lease
        self._alive = settings.alive
        self._backoff = exponential(settings.backoff)
        self._call = retry.call
        self._packs = 0
        # Priority → the batch that headed the last pack, the last priority at the end.
        self._turns: dict[int, int] = {}
        self._text_turn = 0

    @property
    def name(self) -> str:
        """The worker's name."""
        return self._offer.name

    def claim(
        self,
        job_id: int | None,
        limit: Callable[[Demand], int],
        *,
        reach: Reach = EVERYTHING,
        held: Collection[int] = (),
        urgent: bool = False,
        begun: bool = False,
    ) -> Sequence[Claim]:
        """Claim a pack to sample, unless the named job, if any, is not queued any more.

        `held` are the jobs that this worker already runs. `urgent` claims nothing but a pack whose
        head is urgent. `begun`: the pack is sampled at once, and `begin` need not be called.
        """
        claim = partial(
            self._store.claims.claim,
            self._worker_id,
            self._offer,
            job_id=job_id,
            limit=limit,
            lease=self._lease,
            reach=reach,
            after=self._turns,
            packs=self._packs,
            alive=self._alive,
            urgent=urgent,
            begun=begun,
        )
        claims = self._take(claim, held, texts=False)
        self._packs += bool(claims)
        if claims and not claims[0].suspect:
            # Suspects take no turns, or they would set the others back to their batch each time.
            self._turns.pop(claims[0].priority, None)
            self._turns[claims[0].priority] = claims[0].batch_id
        return claims

    def _take(
        self, claim: Callable[[], Sequence[Claim]], held: Collection[int], *, texts: bool
    ) -> Sequence[Claim]:
        """Claim until the database answers.

        If only the answer was lost, the commit of an earlier try has leased jobs to this worker.
        Further tries return these first, or nobody would run them until their leases expire.
        """
        own = partial(self._store.claims.own, self._worker_id, held, lease=self._lease, texts=texts)
        tried = False

        def attempt() -> Sequence[Claim]:
            nonlocal tried
            found = own() if tried else ()
            tried = True
            return found or claim()

        return self._call(attempt)

    def begin(self, claims: Sequence[Claim]) -> Renewal:
        """Record that sampling begins; see `ClaimStore.begin`."""
        return self._call(self._store.claims.begin, claims)

    def succeed(self, results: Sequence[Success]) -> dict[int, OSError | None]:
        """Complete jobs and rename their files. Returns the refused jobs, with the reason."""
        return self._call(self._store.completion.succeed, results, publish=publish)

    def fail(self, failures: Sequence[Failed]) -> None:
        """End attempts that failed."""
        self._call(self._store.completion.fail, failures, backoff=self._backoff, alive=self._alive)

    def faulted(self, claims: Sequence[Claim], error: str, *, alone: bool) -> None:
        """End attempts that were run together when the device failed."""
        self._call(
            self._store.completion.faulted,
            claims,
            error,
            alone=alone,
            backoff=self._backoff,
            alive=self._alive,
        )

    def alone(self, claim: Claim) -> bool:
        """Whether no other device has a live worker that would take the job now."""
        rows = self._call(self._store.workers.rows, alive=self._alive)
        own = {row.registration.device_key for row in rows if row.id == self._worker_id}
        return not any(
            row.alive
            and row.state == LIVE
            and row.registration.device_key not in own
            and fits(claim.demand, row.registration.offer)
            and not any(p.scope is PauseScope.WORKER for p in row.registration.offer.pauses)
            for row in rows
        )

    def release(self, claims: Sequence[Claim], reason: str) -> None:
        """Return jobs to the queue for a reason that is not theirs. The attempts do not count."""
        release = self._store.completion.release
        self._call(release, claims, reason=reason, backoff=self._backoff)

    def cancelled(self, claims: Sequence[Claim]) -> None:
        """End claimed jobs that were cancelled."""
        self._call(self._store.completion.cancelled, claims)

    def give_back(self, claims: Sequence[Claim], reason: str) -> None:
        """Return claimed jobs to the queue uncounted; they back off if they return repeatedly."""
        self._call(self._store.completion.release, claims, reason=reason, backoff=self._backoff)

    def send_back(self, claims: Sequence[Claim], demand: TextDemand) -> None:
        """Return claimed jobs to the queue, to wait for their text."""
        self._call(self._store.encoding.send_back, claims, demand)

    def claim_texts(
        self, job_ids: Sequence[int], demand: TextDemand, *, held: Collection[int] = ()
    ) -> Sequence[Claim]:
        """Claim jobs that wait for their text, to encode it; `held` as in `claim`."""
        claim = partial(
            self._store.encoding.claim_texts,
            self._worker_id,
            job_ids,
            revision=demand.revision,
            lease=self._lease,
        )
        return self._take(claim, held, texts=True)

    def encoded(
        self, claims: Sequence[Claim], timings: Timings, run: Run, peak: int | None
    ) -> None:
        """Release claims of `claim_texts` for sampling; `peak` is device memory in bytes."""
        self._call(self._store.encoding.encoded, claims, timings, run, peak_memory_bytes=peak)

    def upcoming(self, model: str, n: int) -> Sequence[Waiter]:
        """The next jobs of a model that this worker could sample, at most `n`.

        Those of the batch that headed the last pack come first.
        """
        first = {priority: batch_id - 1 for priority, batch_id in self._turns.items()}
        return self._call(self._store.encoding.upcoming, self._offer, model, n, after=first)

    def park(self, job_ids: Sequence[int], demand: TextDemand) -> None:
        """Make queued jobs wait for their text."""
        self._call(self._store.encoding.park, job_ids, demand)

    def unpark(self, job_ids: Sequence[int]) -> int:
        """Release waiting jobs whose text is encoded. Returns how many were released."""
        return self._call(self._store.encoding.unpark, job_ids)

    def waiters(self, model: str, demand: TextDemand, n: int) -> Sequence[Waiter]:
        """The next jobs of a model that wait for this encoder, at most `n`."""
        waiters = self._store.encoding.waiters
        found = self._call(waiters, model, demand.revision, n, after=self._text_turn)
        if found:
            self._text_turn = found[0].batch_id
        return found

    def crowd(self, model: str, demand: TextDemand, n: int) -> int:
        """The number of jobs that wait for this encoder, counted up to `n`."""
        return self._call(self._store.encoding.crowd, model, demand.revision, n)

    def free_strays(self, model: str, demand: TextDemand) -> int:
        """Release jobs that wait for an encoder that no live worker has. Returns their number."""
        offers = self._call(self._store.workers.offers, alive=self._alive)
        encoders = {offer.encoders[model] for offer in offers if model in offer.encoders}
        return self._call(self._store.encoding.free_strays, model, encoders | {demand.revision})

    def set_pauses(self, pauses: Sequence[Pause]) -> None:
        """Record what this worker does not take for now. Not repeated: `Pauses` calls it again."""
        self._store.workers.set_pauses(self._worker_id, pauses)

    def unfinished(self, *, after: int = 0) -> tuple[int, Sequence[Batch]]:
        """The newest batch's id and the unfinished batches. Not repeated: it is called again."""
        return self._store.batches.unfinished(after=after)

    def adopt(self, batch: Batch, seen: Sight) -> Sight:
        """Make a folder the batch's if it has none yet. Not repeated either."""
        return adopt(self._store, batch, seen)

    def renew(self, claims: Sequence[Claim]) -> Renewal:
        """Extend leases. Not repeated: the lease keeper calls it again anyway."""
        return self._store.leases.renew(self._worker_id, claims, lease=self._lease)

    def look(self, claims: Sequence[Claim]) -> Renewal:
        """The result that `renew` would give, without renewing. Not repeated either."""
        return self._store.leases.look(self._worker_id, claims)
