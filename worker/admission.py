"""Admission: claims packs, and admits their jobs to be sampled."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from jobs.artifacts.place import PlaceError
from jobs.domain.attempts import Claim, Failed
from jobs.domain.pauses import PauseScope
from jobs.domain.routing import Demand, Reach
from worker.encoding.scheduler import EncodingScheduler
from worker.engine.pool import ModelPool
from worker.errors import TextStoreError
from worker.execution.engines import Engines
from worker.execution.failures import diagnose
from worker.execution.folders import BatchFolders
from worker.execution.lease_keeper import HeldPack, LeaseKeeper
from worker.execution.pack_size import PackSize
from worker.execution.pauses import Pauses
from worker.execution.prefetch import ReadyPack
from worker.execution.save import require_place
from worker.execution.settlement import Settlement
from worker.execution.worker_queue import WorkerQueue

#: Why a claimed pack goes back to the queue.
UNWANTED = "the worker ended, or paused, before the job was sampled"


class Admission:
    """Claims packs of jobs whose texts are there. One thread at a time does.

    Args:
        queue: this worker's view of the queue.
        pool: how much memory packs may take.
        keeper: renews the leases.
        scheduler: looks up texts, and sends back jobs whose text is missing.
        pauses: what this worker does not take for now.
        engines: pauses those whose texts cannot be read.
        settlement: ends jobs that may not be run.
        folders: the batches' folders that this worker can write to.
        roots: the folders below which this worker writes; none: anywhere.
        draining: set when no further pack may be claimed.
        size: how many motions a pack takes.
    """

    def __init__(
        self,
        *,
        queue: WorkerQueue,
        pool: ModelPool,
        keeper: LeaseKeeper,
        scheduler: EncodingScheduler,
        pauses: Pauses,
        engines: Engines,
        settlement: Settlement,
        folders: BatchFolders,
        roots: Sequence[Path],
        draining: threading.Event,
        size: PackSize,
    ) -> None:
        self._queue = queue
        self._pool = pool
        self._keeper = keeper
        self._scheduler = scheduler
        self._pauses = pauses
        self._engines = engines
        self._settlement = settlement
        self._folders = folders
        self._size = size
        self._roots = roots
        self._draining = draining

    @property
    def paused(self) -> bool:
        """Whether this worker takes nothing at all for now."""
        return bool(self._pauses.subjects(PauseScope.WORKER))

    def pack(
        self, job_id: int | None = None, *, begun: bool = True, urgent: bool = False
    ) -> ReadyPack | None:
        """Claim a pack, unless the named job, if any, is not queued any more.

        Args:
            job_id: the named job.
            begun: whether the pack is sampled at once.
            urgent: claim only a pack whose head is urgent.
        """
        while claims := self._claim(job_id, begun=begun, urgent=urgent):
            pack = self._keeper.add(HeldPack(claims, begun=begun))
            ready = None
            try:
                ready = self._admitted(pack, claims)
            finally:
                if ready is None:
                    self._keeper.remove(pack)
            if ready is not None:
                return ready
            job_id = None
        return None

    def holds(self, ready: ReadyPack) -> bool:
        """Whether a pack that was claimed earlier may still be sampled; else it goes back."""
        reach, head = self._reach(), ready.claims[0]
        hidden = any(claim.batch_id in reach.hidden for claim in ready.claims)
        if not hidden and not self.paused and (head.model, head.mode) not in reach.without:
            return True
        self.release(ready)
        return False

    def release(self, ready: ReadyPack) -> None:
        """Return a pack to the queue. Its attempts do not count."""
        try:
            self._queue.release(ready.claims, UNWANTED)
        finally:
            self._keeper.remove(ready.held)

    def _claim(self, job_id: int | None, **how: bool) -> Sequence[Claim]:
        if self._draining.is_set() or self.paused:
            return ()
        claims = self._claim_once(job_id, **how)
        if not claims and self._folders.refresh():  # for example, a batch is new
            claims = self._claim_once(job_id, **how)
        return claims

    def _claim_once(self, job_id: int | None, **how: bool) -> Sequence[Claim]:
        return self._queue.claim(
            job_id, self._limit, reach=self._reach(), held=self._keeper.job_ids, **how
        )

    def _reach(self) -> Reach:
        models = (tuple(each.split(" ")) for each in self._pauses.subjects(PauseScope.MODEL))
        return Reach(
            hidden=self._folders.hidden,
            newest=self._folders.newest,
            without=frozenset((model, mode) for model, mode in models),
        )

    def _limit(self, head: Demand) -> int:
        return self._size.limit(head, self._pool.room(head.model, head.mode))

    def _admitted(self, pack: HeldPack, claims: Sequence[Claim]) -> ReadyPack | None:
        """The jobs of a claimed pack that can be sampled; the others are ended or sent back."""
        claims = self._placed(pack, claims)
        if not claims:
            return None
        try:
            ready, texts = self._scheduler.look_up(claims)
        except TextStoreError as error:
            self._queue.release(claims, str(error))
            self._engines.pause(error.model, claims[0].mode, str(error))
            return None
        sampled = {claim.job_id for claim in ready}
        pack.leave([claim for claim in claims if claim.job_id not in sampled])
        return ReadyPack(pack, ready, texts) if ready else None

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
            self._settlement.fail(refused)
        gone = {fail.claim.job_id for fail in refused}
        return [claim for claim in claims if claim.job_id not in gone]
