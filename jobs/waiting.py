"""Why a queued job is not running yet."""

from __future__ import annotations

from collections.abc import Sequence

from jobs.routing import Demand, Offer, misfit
from jobs.states import State
from jobs.store.jobrow import JobRow


class Waiting:
    """Gives the reason why queued jobs wait.

    Args:
        offers: of live and declared workers.
        now: by the store's clock.
    """

    def __init__(self, *, offers: Sequence[Offer], now: float) -> None:
        self._offers = offers
        self._now = now
        self._misfits: dict[Demand, str | None] = {}

    def reason(self, job: JobRow) -> str | None:
        """One line; None for a job that is not queued, or only waits for its turn."""
        if job.state != State.QUEUED:
            return None
        if job.paused:
            return f"batch {job.batch} is paused: `hymo resume {job.batch}`"
        if job.not_before > self._now:
            left = round(job.not_before - self._now)
            return f"attempt {job.attempts + 1} of {job.attempt_limit} follows in {left} s"
        if job.demand not in self._misfits:
            self._misfits[job.demand] = misfit(job.demand, self._offers)
        return self._misfits[job.demand]
