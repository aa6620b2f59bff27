"""The work loop: after a message it claims and runs packs until none is left.

Up to three packs are in hand: while one is sampled, the next is claimed
(`worker.execution.prefetch`), and the last is decoded and saved
(`worker.execution.pack_finisher`).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from jobs.domain.attempts import Claim
from jobs.domain.spec import URGENT
from worker.admission import Admission
from worker.encoding.scheduler import EncodingScheduler
from worker.engine.pool import ModelPool
from worker.errors import EngineLoadError, TextStoreError
from worker.execution.engines import Engines
from worker.execution.lease_keeper import HeldPack, LeaseKeeper
from worker.execution.pack import PackRunner, SampledPack
from worker.execution.pack_finisher import PackFinisher
from worker.execution.pack_size import PackSize
from worker.execution.pauses import Pauses
from worker.execution.prefetch import WORTH, Prefetch, ReadyPack
from worker.execution.probes import Probes
from worker.execution.progress_stamp import ProgressStamp
from worker.execution.settlement import Settlement
from worker.execution.worker_queue import WorkerQueue

log = logging.getLogger(__name__)

#: Seconds that a worker with a pause and no other job takes for a message. The jobs that wait are
#: published again and again; their messages must not keep it busy.
PAUSED = 1.0


class WorkLoop:
    """Claims and runs packs for one worker.

    Args:
        queue: this worker's view of the queue.
        pool: the engines.
        keeper: renews the leases.
        stamp: records progress.
        scheduler: encodes texts of models with a separate encoder.
        pauses: what this worker does not take for now.
        probes: end the pauses.
        engines: loads the engines, and pauses those that do not run.
        settlement: writes how jobs ended.
        finisher: decodes, saves and settles packs.
        admission: claims packs.
        size: learns how fast packs are.
        longest: seconds after which no further pack is claimed for a message.
        draining: set when no further pack may be claimed.
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
        pauses: Pauses,
        probes: Probes,
        engines: Engines,
        settlement: Settlement,
        finisher: PackFinisher,
        admission: Admission,
        size: PackSize,
        longest: float,
        draining: threading.Event,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._queue = queue
        self._pool = pool
        self._keeper = keeper
        self._stamp = stamp
        self._scheduler = scheduler
        self._pauses = pauses
        self._probes = probes
        self._engines = engines
        self._settlement = settlement
        self._finisher = finisher
        self._admission = admission
        self._size = size
        self._longest = longest
        self._draining = draining
        self._clock = clock
        self._busy = threading.Lock()  # the device samples one pack at a time
        self._until = 0.0
        self._prefetch = Prefetch(self._ahead, clock=clock)

    def on_message(self, job_id: int) -> int:
        """Run packs until none is left, if the job that a message names is still queued.

        That job waits for its turn like any other, or a batch with many messages would run first.

        Returns:
            How many jobs were run. 0 for a message whose job is already claimed or done.
        """
        with self._busy:
            return self._run_all(job_id)

    def poll(self) -> int:
        """Run jobs from the database without a message. Returns 0 if a pack is already running.

        Rows are authoritative, messages only notify. An idle worker finds here the jobs without a
        message: the broker is down, or a worker that could not take the job consumed the message.
        """
        if not self._busy.acquire(blocking=False):
            return 0
        try:
            return self._run_all(None)
        finally:
            self._busy.release()

    def close(self) -> None:
        """End the threads. No pack is in hand between two calls of `on_message` and `poll`."""
        self._prefetch.close()
        self._finisher.close()

    def _run_all(self, job_id: int | None) -> int:
        self._until = self._clock() + self._longest
        done = 0
        try:
            ready = self._first(job_id)
            while ready is not None or self._encode(idle=True):
                if ready is not None:
                    done += self._run(ready)
                    self._encode(idle=False)
                if self._draining.is_set():
                    break
                ready = self._next()
                if ready is None and self._clock() > self._until:
                    break
        finally:
            self._give_up_prefetched()
            self._finisher.flush()
        return done

    def _first(self, job_id: int | None) -> ReadyPack | None:
        self._probe()
        ready = self._admission.pack(job_id)
        if ready is None and job_id is not None and self._pauses.active:
            # The messages of other jobs may be behind those of many jobs that wait.
            ready = self._admission.pack()
            if ready is None:
                self._draining.wait(PAUSED)
        return ready

    def _next(self) -> ReadyPack | None:
        """The prefetched pack, or else another one unless the time is over."""
        ready = self._prefetch.take()
        if ready is not None and self._admission.holds(ready):
            return self._before(ready)
        if self._clock() > self._until:
            return None
        self._probe()
        ready = self._admission.pack()
        if ready is None and self._finisher.busy:
            self._finisher.flush()  # jobs that failed may be ready again
            ready = self._admission.pack()
        return ready

    def _before(self, ready: ReadyPack) -> ReadyPack:
        """An urgent pack that goes before a prefetched one, or else that one."""
        if ready.claims[0].priority >= URGENT:
            return ready
        try:
            urgent = self._admission.pack(urgent=True)
        except BaseException:
            self._prefetch.put_back(ready)  # it is given back
            raise
        if urgent is None:
            return ready
        self._prefetch.put_back(ready)
        return urgent

    def _encode(self, *, idle: bool) -> int:
        """Encode texts if that is due. Returns how many jobs can now be sampled."""
        if self._draining.is_set() or self._admission.paused:
            return 0
        try:
            return self._scheduler.encode() if self._scheduler.due(idle=idle) else 0
        except TextStoreError as error:
            log.warning("no texts encoded: %s", error)  # the next poll tries again
            return 0

    def _probe(self) -> None:
        self._keeper.require_alive()
        if self._probes.due and not self._draining.is_set():
            with self._keeper.hold(()):  # a probe that hangs meets the deadline of packs
                self._probes.run()

    def _ahead(self) -> ReadyPack | None:
        """The next pack, on the device if possible; called while another one is sampled."""
        if self._clock() > self._until or self._probes.due:
            return None
        ready = self._admission.pack(begun=False)
        if ready is None:
            return None
        head = ready.claims[0]
        engine = self._pool.loaded(head.model, head.mode)
        # What ends the process here counts against no job. It may do so once: a job that came back
        # is prepared when its pack has begun.
        if engine is None or any(claim.returns for claim in ready.claims):
            return ready
        try:
            prepared = engine.prepare(ready.claims, ready.texts.found)
        except Exception as error:  # noqa: BLE001  # the pack meets it again when it is sampled
            log.debug("a pack was not prepared: %s", error)
            return ready
        return replace(ready, prepared=prepared)

    def _give_up_prefetched(self) -> None:
        while (ready := self._prefetch.take()) is not None:
            self._admission.release(ready)

    def _run(self, ready: ReadyPack) -> int:
        """Sample a pack, and let its motions be finished. Returns how many jobs were run."""
        pack = ready.held
        claims = self._begin(ready)
        if not claims:
            self._keeper.remove(pack)
            return 0
        sampled, begun = SampledPack(), self._clock()
        try:
            sampled = self._sample(pack, claims, ready)
            if sampled.interruption is not None:
                left = [c for c in claims if c.job_id not in sampled.job_ids]
                left = [claim for claim in left if not pack.stopped(claim)]
                self._settlement.give_back(left, sampled.interruption)
        finally:
            aside = self._clock() - begun >= WORTH
            self._finisher.submit(pack, sampled, aside=aside)
        return len(claims)

    def _begin(self, ready: ReadyPack) -> Sequence[Claim]:
        """Record that the sampling begins. Returns the jobs that are still there to be sampled."""
        pack = ready.held
        if ready.claims[0].suspect:
            # If the device fails, no other pack was on it.
            self._finisher.flush()
        if not pack.begun:
            pack.begun = True
            pack.gone = self._queue.begin(ready.claims)
            self._settlement.step(pack)
        return [claim for claim in ready.claims if not pack.stopped(claim)]

    def _sample(self, pack: HeldPack, claims: Sequence[Claim], ready: ReadyPack) -> SampledPack:
        head = claims[0]
        try:
            engine = self._engines.load(head.model, head.mode)
        except EngineLoadError as error:
            return SampledPack(interruption=error)
        load = self._pool.take_load_cost(head.model, head.mode)
        runner = PackRunner(
            on_step=partial(self._on_step, pack), on_phase=self._stamp.touch, stopped=pack.stopped
        )
        self._prefetch.begin()
        sampled = runner.run(engine, claims, load=load, texts=ready.texts, prepared=ready.prepared)
        for part in sampled.parts:
            self._size.note(part.claims, part.timings.sample * len(part.claims))
        if not sampled.parts:
            self._pool.add_load_cost(head.model, head.mode, load)  # for the next pack to book
        return sampled

    def _on_step(self, pack: HeldPack, step: int, total: int) -> None:
        self._stamp.touch()
        self._prefetch.step(step, total)
        self._settlement.step(pack)
