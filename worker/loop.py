"""A shift: what one message sets off. Packs are claimed and run until none is left."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from jobs.domain.attempts import Claim, Failed, Success
from jobs.domain.backoff import exponential
from jobs.domain.catalog import model_entry
from jobs.domain.routing import Demand, Offer
from jobs.domain.states import Failure
from jobs.settings import Settings
from jobs.store.store import Store
from worker.encoding.scheduler import LOADING, EncodingScheduler
from worker.engine.pool import ModelPool
from worker.execution.database_retry import DatabaseRetry
from worker.execution.lease_keeper import LeaseKeeper
from worker.execution.pack import PackRunner, Results
from worker.execution.progress_stamp import ProgressStamp
from worker.execution.save import discard, publish

log = logging.getLogger(__name__)

REFUSED = "job %d: the lease was lost; its result is refused"
"""Said once a job, whoever sees it first: the renewals, or the writing of the result."""

#: Most motions of a pack where neither the settings nor memory say less: beyond this a CPU gains
#: nothing, and a pack's first motion waits for its last.
CPU_PACK = 8
CUDA_PACK = 32


class WorkLoop:
    """Claims and runs packs for one worker.

    Args:
        store: the database.
        worker_id, offer: who claims and what it can do.
        garage: the loaded engines.
        keeper, stamp: leases and the sign of progress.
        settings: lease, claim, pack, backoff.
        outage: repeats what the database did not answer.
        draining: set when no further pack may be claimed.
        device_pack: the device's most motions a pack.
        scribe: sees to the texts; None where every model has its own encoder.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        *,
        store: Store,
        worker_id: int,
        offer: Offer,
        pool: ModelPool,
        keeper: LeaseKeeper,
        stamp: ProgressStamp,
        settings: Settings,
        outage: DatabaseRetry,
        draining: threading.Event,
        device_pack: int,
        scribe: EncodingScheduler | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._worker_id = worker_id
        self._offer = offer
        self._pool = pool
        self._keeper = keeper
        self._stamp = stamp
        self._settings = settings
        self._outage = outage
        self._draining = draining
        self._most = settings.pack or device_pack
        self._scribe = scribe
        self._clock = clock
        self._backoff = exponential(settings.backoff)
        self._runner = PackRunner(
            on_step=self._on_step,
            on_phase=stamp.touch,
            stopped=lambda claim: claim.job_id in self._stopped,
        )
        self._held: dict[int, Claim] = {}
        self._stopped: set[int] = set()
        self._one = threading.Lock()  # one device, one shift

    def work(self, job_id: int) -> int:
        """Take the job that a message names, its company, and what else there is.

        Returns:
            How many jobs were run. 0 for a message whose job is taken or done.
        """
        with self._one:
            return self._until_none_is_left(job_id)

    def poll(self) -> int:
        """Take what the database holds for this worker, message or not; 0 while a shift is on.

        Messages are delivery, the rows are the truth: with the broker away, or when a worker that
        could not take a job used its message up, an idle worker finds the job here.
        """
        if not self._one.acquire(blocking=False):
            return 0
        try:
            return self._until_none_is_left(None)
        finally:
            self._one.release()

    def _until_none_is_left(self, job_id: int | None) -> int:
        begun = self._clock()
        done = 0
        claims = self._claim(job_id)
        while claims or self._encode(idle=True):
            if claims:
                done += self._run(claims)
                self._encode(idle=False)
            if self._draining.is_set() or self._clock() - begun > self._settings.claim:
                break
            claims = self._claim(None)
        return done

    def _encode(self, *, idle: bool) -> int:
        """Encode texts if it is time to; how many jobs were sent on."""
        scribe = self._scribe
        if scribe is None or self._draining.is_set() or not scribe.due(idle=idle):
            return 0
        return scribe.work()

    def _claim(self, job_id: int | None) -> Sequence[Claim]:
        if self._draining.is_set():
            return ()
        return self._outage.call(
            lambda: self._store.claims.claim(
                self._worker_id,
                self._offer,
                job_id=job_id,
                limit=self._limit,
                lease=self._settings.lease,
            )
        )

    def _limit(self, head: Demand) -> int:
        profile = model_entry(head.model).profiles[head.mode]
        room = self._pool.room(head.model, head.mode)
        return min(self._most, profile.pack_limit(head.gib, room))

    def _run(self, claims: Sequence[Claim]) -> int:
        """Run a pack; how many jobs of it were not sent away to wait for their text."""
        self._held = {claim.job_id: claim for claim in claims}
        self._stopped = set()
        self._keeper.hold(claims)
        try:
            admitted = claims if self._scribe is None else self._scribe.admit(claims)
            if admitted:
                self._sample(admitted)
        finally:
            self._keeper.hold(())
        return len(admitted)

    def _sample(self, claims: Sequence[Claim]) -> None:
        head = claims[0]
        with self._stamp.allow(LOADING):
            engine = self._pool.engine(head.model, head.mode)
        load = self._pool.owed(head.model, head.mode)
        self._settle(self._runner.run(engine, claims, load=load))

    def _settle(self, results: Results) -> None:
        """Write how the pack ended. Cancelled and lost jobs were settled when that was seen."""
        waiting = [c for c in results.unencoded if c.job_id not in self._stopped]
        if waiting and self._scribe is not None:
            self._scribe.send_back(waiting)
        wins = [win for win in results.successes if win.claim.job_id not in self._stopped]
        fails = [fail for fail in results.failures if fail.claim.job_id not in self._stopped]
        for win in results.successes:
            if win.claim.job_id in self._stopped:
                discard(win.claim)
        refused = self._outage.call(lambda: self._store.completion.succeed(wins, publish=publish))
        by_id = {win.claim.job_id: win for win in wins}
        for job_id, error in refused.items():
            win = by_id[job_id]
            discard(win.claim)
            if error is None:
                log.warning(REFUSED, job_id)
            else:
                fails.append(_unpublished(win, error))
        if fails:
            self._outage.call(lambda: self._store.completion.fail(fails, backoff=self._backoff))
        for fail in fails:
            log.warning("job %d: %s: %s", fail.claim.job_id, fail.failure, _first(fail.error))

    def _on_step(self, step: int, total: int) -> None:  # noqa: ARG002 — the engines' callback
        self._stamp.touch()
        gone = self._keeper.gone()
        new = (gone.lost | gone.cancelled) - self._stopped
        if not new:
            return
        self._stopped |= new
        for job_id in sorted(new & gone.lost):
            log.warning(REFUSED, job_id)
        cancelled = [self._held[job_id] for job_id in new & gone.cancelled - gone.lost]
        if cancelled:
            self._outage.call(lambda: self._store.completion.cancelled(cancelled))


def _unpublished(win: Success, error: OSError) -> Failed:
    return Failed(
        claim=win.claim,
        failure=Failure.ERROR,
        error=f"the files could not be put in place: {error}",
        timings=win.timings,
        peak_memory_bytes=win.peak_memory_bytes,
    )


def _first(text: str) -> str:
    return text.partition("\n")[0]
