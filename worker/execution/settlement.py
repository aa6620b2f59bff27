"""Settles a pack: what became of its jobs is written, and what it says of the worker is noted."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import NoReturn

from jobs.domain.attempts import Claim, Failed, Success
from jobs.domain.pauses import PauseScope
from jobs.domain.states import Failure
from worker.errors import DeviceFaultError, EngineLoadError
from worker.execution.engines import Engines
from worker.execution.failures import is_device_fault
from worker.execution.finishing import Results
from worker.execution.health import WorkerHealth
from worker.execution.lease_keeper import HeldPack, LeaseKeeper
from worker.execution.probes import Probes
from worker.execution.save import discard
from worker.execution.unsaved import Unsaved, UnsavedMotions
from worker.execution.worker_queue import WorkerQueue

log = logging.getLogger(__name__)

REFUSED = "job %d: the lease was lost; its result is refused"
"""Logged once per job: when a renewal finds the loss, or else when the result is written."""


class Settlement:
    """Writes how the jobs of packs ended.

    Args:
        queue: this worker's view of the queue.
        keeper: knows the packs in hand.
        engines: pauses those that do not run.
        probes: end the pauses.
        health: pauses a sick worker.
        shortage: why memory of this worker's budget is not there; None: it is.
        unsaved: keeps motions that cannot be saved for now.
    """

    def __init__(
        self,
        *,
        queue: WorkerQueue,
        keeper: LeaseKeeper,
        engines: Engines,
        probes: Probes,
        health: WorkerHealth,
        shortage: Callable[[], str | None],
        unsaved: UnsavedMotions,
    ) -> None:
        self._queue = queue
        self._keeper = keeper
        self._engines = engines
        self._probes = probes
        self._health = health
        self._shortage = shortage
        self._unsaved = unsaved

    def settle(self, pack: HeldPack, results: Results) -> bool:
        """Write the results of a pack. Cancelled and lost jobs were settled when noticed.

        Returns:
            Whether all of its jobs succeeded.

        Raises:
            DeviceFaultError: it interrupted the pack.
        """
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
        self.fail(fails)
        self._health.note(fails, succeeded=len(wins))
        if results.interruption is not None:
            self._fault(results.interruption)
        return len(wins) == len(pack.claims)

    def fail(self, fails: Sequence[Failed]) -> None:
        """Write failures."""
        if fails:
            self._queue.fail(fails)
        for fail in fails:
            log.warning("job %d: %s: %s", fail.claim.job_id, fail.failure, _first(fail.error))

    def give_back(self, claims: Sequence[Claim], error: EngineLoadError | DeviceFaultError) -> None:
        """Give back the jobs that a failed engine or device has left undone.

        Raises:
            DeviceFaultError: only a new process can use the device again.
        """
        if isinstance(error, DeviceFaultError):
            hand = [claim for claim in claims if claim in error.claims]
            self._queue.release([claim for claim in claims if claim not in hand], str(error))
            self._fault(error)
        self._queue.release(claims, str(error))
        if is_device_fault(error):
            raise DeviceFaultError(str(error)) from error
        self._engines.give_up(error.model, error.mode, str(error))

    def step(self, pack: HeldPack) -> None:
        """End the jobs that were lost or cancelled since the last step."""
        new = pack.notice()
        for job_id in sorted(new.lost):
            log.warning(REFUSED, job_id)
        if new.cancelled:
            self._queue.cancelled([pack.claims[job_id] for job_id in new.cancelled])

    def _fault(self, error: DeviceFaultError) -> NoReturn:
        """End the attempts that were run together when the device failed, and raise the error."""
        # Others were on the device at the same time, so that any of them may be to blame.
        alone = len(error.claims) == len(self._keeper.working) == 1
        self._queue.faulted(error.claims, str(error), alone=alone)
        raise error

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
