"""The work loop: after a message it claims and runs packs until none is left."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial

from jobs.artifacts.place import PlaceError
from jobs.domain.attempts import Claim, Failed, Success
from jobs.domain.catalog import model_entry
from jobs.domain.pauses import PauseScope
from jobs.domain.routing import Demand, Reach
from jobs.domain.states import Failure
from jobs.settings import Settings
from worker.encoding.scheduler import EncodingScheduler
from worker.engine.pool import ModelPool
from worker.engine.texts import PackTexts
from worker.errors import DeviceFaultError, EngineLoadError, TextStoreError
from worker.execution.engines import Engines
from worker.execution.failures import diagnose, is_device_fault
from worker.execution.folders import BatchFolders
from worker.execution.health import WorkerHealth
from worker.execution.lease_keeper import HeldPack, LeaseKeeper
from worker.execution.pack import PackRunner, Results
from worker.execution.pauses import Pauses
from worker.execution.probes import Probes
from worker.execution.progress_stamp import ProgressStamp
from worker.execution.save import discard, require_place
from worker.execution.unsaved import Unsaved, UnsavedMotions
from worker.execution.worker_queue import WorkerQueue

log = logging.getLogger(__name__)

REFUSED = "job %d: the lease was lost; its result is refused"
"""Logged once per job: when a renewal finds the loss, or else when the result is written."""

#: Most motions per pack, unless the settings or the memory allow fewer. Larger packs gain nothing
#: on a CPU, and the first motion of a pack waits for its last.
CPU_PACK = 8
CUDA_PACK = 32
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
        health: pauses a sick worker.
        shortage: why memory of this worker's budget is not there; None: it is.
        folders: the batches' folders that this worker can write to.
        unsaved: keeps motions that cannot be saved for now.
        settings: `claim`, `pack` and `output_roots` are used.
        draining: set when no further pack may be claimed.
        device_pack: most motions per pack on this device.
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
        health: WorkerHealth,
        shortage: Callable[[], str | None],
        folders: BatchFolders,
        unsaved: UnsavedMotions,
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
        self._pauses = pauses
        self._probes = probes
        self._engines = engines
        self._health = health
        self._shortage = shortage
        self._folders = folders
        self._unsaved = unsaved
        self._longest = settings.claim
        self._most = settings.pack or device_pack
        self._roots = settings.output_roots
        self._draining = draining
        self._clock = clock
        self._busy = threading.Lock()  # the device runs one pack at a time

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

    def _run_all(self, job_id: int | None) -> int:
        begun = self._clock()
        done = 0
        claims = self._claim(job_id)
        if not claims and job_id is not None and self._pauses.active:
            # The messages of other jobs may be behind those of many jobs that wait.
            claims = self._claim(None)
            if not claims:
                self._draining.wait(PAUSED)
        while claims or self._encode(idle=True):
            if claims:
                done += self._run(claims)
                self._encode(idle=False)
            if self._draining.is_set() or self._clock() - begun > self._longest:
                break
            claims = self._claim(None)
        return done

    def _encode(self, *, idle: bool) -> int:
        """Encode texts if that is due. Returns how many jobs can now be sampled."""
        if self._draining.is_set() or self._paused:
            return 0
        try:
            return self._scheduler.encode() if self._scheduler.due(idle=idle) else 0
        except TextStoreError as error:
            log.warning("no texts encoded: %s", error)  # the next poll tries again
            return 0

    def _claim(self, job_id: int | None) -> Sequence[Claim]:
        self._keeper.require_alive()
        if self._draining.is_set():
            return ()
        if self._probes.due:
            with self._keeper.hold(()):  # a probe that hangs meets the deadline of packs
                self._probes.run()
        if self._paused:
            return ()
        claims = self._claim_once(job_id)
        if not claims and self._folders.refresh():  # for example, a batch is new
            claims = self._claim_once(job_id)
        return claims

    def _claim_once(self, job_id: int | None) -> Sequence[Claim]:
        return self._queue.claim(
            job_id, self._limit, reach=self._reach(), held=self._keeper.job_ids
        )

    @property
    def _paused(self) -> bool:
        return bool(self._pauses.subjects(PauseScope.WORKER))

    def _reach(self) -> Reach:
        models = (tuple(each.split(" ")) for each in self._pauses.subjects(PauseScope.MODEL))
        return Reach(
            hidden=self._folders.hidden,
            newest=self._folders.newest,
            without=frozenset((model, mode) for model, mode in models),
        )

    def _limit(self, head: Demand) -> int:
        profile = model_entry(head.model).profiles[head.mode]
        room = self._pool.room(head.model, head.mode)
        return min(self._most, profile.pack_limit(head.gib, room))

    def _run(self, claims: Sequence[Claim]) -> int:
        """Run a pack. Returns how many of its jobs did not have to wait for their text."""
        with self._keeper.hold(claims) as pack:
            claims = self._placed(pack, claims)
            if not claims:
                return 0
            try:
                ready, texts = self._scheduler.look_up(claims)
            except TextStoreError as error:
                self._queue.release(claims, str(error))
                self._engines.pause(error.model, claims[0].mode, str(error))
                return 0
            sampled = {claim.job_id for claim in ready}
            pack.leave([claim for claim in claims if claim.job_id not in sampled])
            if ready:
                results = self._sample(pack, ready, texts)
                self._settle(pack, results)
                if results.interruption is not None:
                    self._give_back(pack, ready, results, results.interruption)
        return len(ready)

    def _placed(self, pack: HeldPack, claims: Sequence[Claim]) -> Sequence[Claim]:
        """Fail the jobs whose rows name files that they may not have; return the others."""
        refused: list[Failed] = []
        for claim in claims:
            try:
                require_place(claim, self._roots)
            except PlaceError as error:
                refused.append(diagnose(error).of_job(claim))
        if refused:
            pack.leave([fail.claim for fail in refused])
            self._fail(refused)
        gone = {fail.claim.job_id for fail in refused}
        return [claim for claim in claims if claim.job_id not in gone]

    def _sample(self, pack: HeldPack, claims: Sequence[Claim], texts: PackTexts) -> Results:
        head = claims[0]
        try:
            engine = self._engines.load(head.model, head.mode)
        except EngineLoadError as error:
            return Results(interruption=error)
        load = self._pool.take_load_cost(head.model, head.mode)
        runner = PackRunner(
            on_step=partial(self._on_step, pack), on_phase=self._stamp.touch, stopped=pack.stopped
        )
        results = runner.run(engine, claims, load=load, texts=texts)
        booked = results.successes or results.unsaved
        if not booked and not any(fail.timings for fail in results.failures):
            self._pool.add_load_cost(head.model, head.mode, load)  # for the next pack to book
        return results

    def _give_back(
        self,
        pack: HeldPack,
        claims: Sequence[Claim],
        results: Results,
        error: EngineLoadError | DeviceFaultError,
    ) -> None:
        """Give back the jobs that a failed engine or device has left undone."""
        ended = {win.claim.job_id for win in results.successes}
        ended |= {each.claim.job_id for each in results.failures}
        ended |= {each.claim.job_id for each in results.unsaved}
        left = [c for c in claims if c.job_id not in ended and not pack.stopped(c)]
        if isinstance(error, DeviceFaultError):
            hand = [claim for claim in left if claim in error.claims]
            self._queue.faulted(hand, str(error), alone=len(error.claims) == 1)
            self._queue.release([claim for claim in left if claim not in hand], str(error))
            raise error
        self._queue.release(left, str(error))
        if is_device_fault(error):
            raise DeviceFaultError(str(error)) from error
        self._pool.drop(error.model, error.mode)
        self._engines.pause(error.model, error.mode, str(error))

    def _settle(self, pack: HeldPack, results: Results) -> None:
        """Write the results of a pack. Cancelled and lost jobs were settled when noticed."""
        wins = {w.claim.job_id: w for w in results.successes if not pack.stopped(w.claim)}
        fails = [fail for fail in results.failures if not pack.stopped(fail.claim)]
        for win in results.successes:
            if pack.stopped(win.claim):
                discard(win.claim)
        unsaved = [each for each in results.unsaved if not pack.stopped(each.claim)]
        for job_id, error in self._queue.succeed(list(wins.values())).items():
            if error is None:
                discard(wins[job_id].claim)
                log.warning(REFUSED, job_id)
            else:
                unsaved.append(_unpublished(wins.pop(job_id), error))
        fails = self._without_short(fails + self._unsaved.keep(unsaved))
        self._fail(fails)
        self._health.note(fails, succeeded=len(wins))

    def _fail(self, fails: Sequence[Failed]) -> None:
        if fails:
            self._queue.fail(fails)
        for fail in fails:
            log.warning("job %d: %s: %s", fail.claim.job_id, fail.failure, _first(fail.error))

    def _without_short(self, fails: list[Failed]) -> list[Failed]:
        """Give back jobs that ran out of memory which others use; return the other failures."""
        short = [fail.claim for fail in fails if fail.failure is Failure.OUT_OF_MEMORY]
        why = self._shortage() if short else None
        if why is None:
            return fails
        self._queue.release(short, why)
        self._probes.begin(PauseScope.WORKER, "", why, self._require_memory)
        return [fail for fail in fails if fail.claim not in short]

    def _require_memory(self) -> None:
        if (why := self._shortage()) is not None:
            raise MemoryError(why)

    def _on_step(self, pack: HeldPack, step: int, total: int) -> None:  # noqa: ARG002 — the engines' callback
        self._stamp.touch()
        new = pack.notice()
        for job_id in sorted(new.lost):
            log.warning(REFUSED, job_id)
        if new.cancelled:
            self._queue.cancelled([pack.claims[job_id] for job_id in new.cancelled])


def _unpublished(win: Success, error: OSError) -> Unsaved:
    failure = Failed(
        claim=win.claim,
        failure=Failure.ERROR,
        error=f"the files could not be put in place: {error}",
        timings=win.timings,
        peak_memory_bytes=win.peak_memory_bytes,
    )
    return Unsaved(win.claim, lambda: win, failure)


def _first(text: str) -> str:
    return text.partition("\n")[0]
