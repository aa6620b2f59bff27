"""Health: a worker whose disk, device or libraries are broken pauses itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from jobs.domain.attempts import Claim, Failed
from jobs.domain.pauses import PauseScope
from jobs.domain.states import OF_JOB
from worker.execution.probes import Probes

#: Different jobs that fail in a row before a worker suspects itself.
IN_A_ROW = 3


class WorkerHealth:
    """Counts jobs that failed in a row, and pauses the worker when it may be to blame.

    Failures that are clearly the job's own do not count. A probe that passes ends the pause. If
    the worker fails again without a success in between, its first probe waits longer each time, so
    that other devices take the jobs. Where there is no other device the jobs are to blame, and it
    goes on at once.

    Args:
        probes: ends the pause.
        probe: a tiny run of the worker's own, with the model, mode and formats of a claim; raises
            what goes wrong.
        alone: whether no other device could take a job.
        backoff: returns the seconds to wait before the first probe of the n-th pause in a row.
    """

    def __init__(
        self,
        *,
        probes: Probes,
        probe: Callable[[Claim], object],
        alone: Callable[[Claim], bool],
        backoff: Callable[[int], float],
    ) -> None:
        self._probes = probes
        self._probe = probe
        self._alone = alone
        self._backoff = backoff
        self._failed: set[int] = set()
        self._pauses = 0

    def note(self, failures: Sequence[Failed], *, succeeded: int) -> None:
        """Note how a pack ended, and pause the worker if it seems to be sick.

        Args:
            failures: those of its jobs that failed.
            succeeded: number of its jobs that succeeded.
        """
        if succeeded:
            self._failed.clear()
            self._pauses = 0
            return
        counted = [each for each in failures if each.failure not in OF_JOB]
        self._failed |= {each.claim.job_id for each in counted}
        whole = len(counted) == len(failures) > 1
        if not counted or (len(self._failed) < IN_A_ROW and not whole):
            return
        last = counted[-1]
        first, _, _ = last.error.partition("\n")
        reason = f"{len(self._failed)} jobs in a row failed, the last with {first}"
        self._failed.clear()
        wait = self._backoff(self._pauses) if self._pauses and not self._alone(last.claim) else 0.0
        self._pauses += 1
        self._probes.begin(
            PauseScope.WORKER, "", reason, lambda: self._probe(last.claim), wait=wait
        )
