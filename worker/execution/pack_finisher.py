"""Finishes packs while the next one is sampled."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

from worker.execution.finishing import MotionFinisher, Results
from worker.execution.lease_keeper import HeldPack, LeaseKeeper
from worker.execution.pack import SampledPack
from worker.execution.settlement import Settlement


class PackFinisher:
    """Decodes, saves and settles packs in a thread of its own, one after the other.

    Args:
        finisher: decodes and saves.
        settlement: writes how the jobs ended.
        keeper: renews the leases until then.
    """

    def __init__(
        self, *, finisher: MotionFinisher, settlement: Settlement, keeper: LeaseKeeper
    ) -> None:
        self._finisher = finisher
        self._settlement = settlement
        self._keeper = keeper
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="finisher")
        self._last: Future[bool] | None = None

    @property
    def busy(self) -> bool:
        """Whether `flush` has a pack to wait for."""
        return self._last is not None

    def submit(self, pack: HeldPack, sampled: SampledPack, *, aside: bool) -> None:
        """Finish a pack, after the one before it; raises what went wrong with that one.

        Where a job failed, this waits for the pack itself: a worker that may be sick is paused
        before it samples more.

        Args:
            pack, sampled: the pack.
            aside: whether to do so in the other thread; packs that take no time to be sampled would
                only wait there, for the interpreter and for the database.
        """
        if not aside:
            try:
                self.flush()
            finally:
                self._finish(pack, sampled)
            return
        before = self._last
        self._last = self._thread.submit(self._finish, pack, sampled)
        if (before is not None and not before.result()) or sampled.failures:
            self.flush()

    def flush(self) -> None:
        """Wait for the last pack, and raise what went wrong with it."""
        last, self._last = self._last, None
        if last is not None:
            last.result()

    def close(self) -> None:
        """End the threads."""
        self._thread.shutdown()
        self._finisher.close()

    def _finish(self, pack: HeldPack, sampled: SampledPack) -> bool:
        """Whether all jobs of a pack succeeded."""
        try:
            results = Results(failures=sampled.failures)
            for part in sampled.parts:
                results += self._finisher.run(part, stopped=pack.stopped)
            return self._settlement.settle(pack, results)
        finally:
            self._keeper.remove(pack)
