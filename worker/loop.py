"""The work loop, which a message sets off: packs are claimed and run until none is left."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial

from jobs.domain.attempts import Claim, Failed, Success
from jobs.domain.catalog import model_entry
from jobs.domain.routing import Demand
from jobs.domain.states import Failure
from jobs.settings import Settings
from worker.encoding.scheduler import EncodingScheduler
from worker.engine.pool import ModelPool
from worker.engine.texts import PackTexts
from worker.execution.lease_keeper import HeldPack, LeaseKeeper
from worker.execution.pack import PackRunner, Results
from worker.execution.progress_stamp import LOADING, ProgressStamp
from worker.execution.save import discard
from worker.execution.worker_queue import WorkerQueue

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
        queue: of this worker.
        pool: the loaded engines.
        keeper, stamp: leases and the sign of progress.
        scheduler: sees to the texts of models whose encoder is apart.
        settings: claim, pack.
        draining: set when no further pack may be claimed.
        device_pack: the device's most motions a pack.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        *,
        queue: WorkerQueue,
        pool: ModelPool,
        keeper: LeaseKeeper,
        stamp: ProgressStamp,
        scheduler: EncodingScheduler,
        settings: Settings,
        draining: threading.Event,
        device_pack: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._queue = queue
        self._pool = pool
        self._keeper = keeper
        self._stamp = stamp
        self._scheduler = scheduler
        self._longest = settings.claim
        self._most = settings.pack or device_pack
        self._draining = draining
        self._clock = clock
        self._one = threading.Lock()  # one device, one pack at a time

    def on_message(self, job_id: int) -> int:
        """Take the job that a message names, its company, and what else there is.

        Returns:
            How many jobs were run. 0 for a message whose job is taken or done.
        """
        with self._one:
            return self._until_none_is_left(job_id)

    def poll(self) -> int:
        """Take what the database holds for this worker, message or not; 0 while it is at work.

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
            if self._draining.is_set() or self._clock() - begun > self._longest:
                break
            claims = self._claim(None)
        return done

    def _encode(self, *, idle: bool) -> int:
        """Encode texts if it is time to; how many jobs were sent on."""
        if self._draining.is_set() or not self._scheduler.due(idle=idle):
            return 0
        return self._scheduler.encode()

    def _claim(self, job_id: int | None) -> Sequence[Claim]:
        return () if self._draining.is_set() else self._queue.claim(job_id, self._limit)

    def _limit(self, head: Demand) -> int:
        profile = model_entry(head.model).profiles[head.mode]
        room = self._pool.room(head.model, head.mode)
        return min(self._most, profile.pack_limit(head.gib, room))

    def _run(self, claims: Sequence[Claim]) -> int:
        """Run a pack; how many jobs of it were not sent away to wait for their text."""
        with self._keeper.hold(claims) as pack:
            ready, texts = self._scheduler.look_up(claims)
            if ready:
                self._settle(pack, self._sample(pack, ready, texts))
        return len(ready)

    def _sample(self, pack: HeldPack, claims: Sequence[Claim], texts: PackTexts) -> Results:
        head = claims[0]
        with self._stamp.allow(LOADING):
            engine = self._pool.engine(head.model, head.mode)
        load = self._pool.owed(head.model, head.mode)
        runner = PackRunner(
            on_step=partial(self._on_step, pack), on_phase=self._stamp.touch, stopped=pack.stopped
        )
        return runner.run(engine, claims, load=load, texts=texts)

    def _settle(self, pack: HeldPack, results: Results) -> None:
        """Write how the pack ended. Cancelled and lost jobs were settled when that was seen."""
        wins = {w.claim.job_id: w for w in results.successes if not pack.stopped(w.claim)}
        fails = [fail for fail in results.failures if not pack.stopped(fail.claim)]
        for win in results.successes:
            if pack.stopped(win.claim):
                discard(win.claim)
        for job_id, error in self._queue.succeed(list(wins.values())).items():
            discard(wins[job_id].claim)
            if error is None:
                log.warning(REFUSED, job_id)
            else:
                fails.append(_unpublished(wins[job_id], error))
        if fails:
            self._queue.fail(fails)
        for fail in fails:
            log.warning("job %d: %s: %s", fail.claim.job_id, fail.failure, _first(fail.error))

    def _on_step(self, pack: HeldPack, step: int, total: int) -> None:  # noqa: ARG002 — the engines' callback
        self._stamp.touch()
        new = pack.notice()
        for job_id in sorted(new.lost):
            log.warning(REFUSED, job_id)
        if new.cancelled:
            self._queue.cancelled([pack.claims[job_id] for job_id in new.cancelled])


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
