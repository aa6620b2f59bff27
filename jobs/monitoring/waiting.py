"""Why a queued job is not running yet, and why a whole batch stands still."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from jobs.domain.batches import Batch
from jobs.domain.routing import Demand, Offer, fits, misfit
from jobs.domain.states import State
from jobs.store.history.jobfilter import JobFilter
from jobs.store.history.jobrow import JobRow
from jobs.store.history.order import Order
from jobs.store.store import Store

#: Queued jobs looked at for the reason of a standstill: the oldest.
SAMPLE = 100
#: Workers named that could do it.
NAMED = 3


class Waiting:
    """Gives the reason why queued jobs wait.

    Args:
        offers: of live and declared workers.
        now: by the store's clock.
    """

    def __init__(self, *, offers: Sequence[Offer], now: float) -> None:
        self.now = now
        self._offers = offers
        self._misfits: dict[Demand, str | None] = {}

    def reason(self, job: JobRow) -> str | None:
        """One line; None for a job that is not queued, or only waits for its turn."""
        if job.state != State.QUEUED:
            return None
        if job.paused:
            return f"batch {job.batch} is paused: `hymo resume {job.batch}`"
        if self.retries(job):
            left = round(job.not_before - self.now)
            return f"attempt {job.attempts + 1} of {job.attempt_limit} follows in {left} s"
        if job.demand not in self._misfits:
            self._misfits[job.demand] = misfit(job.demand, self._offers) or self._text(job.demand)
        return self._misfits[job.demand]

    def _text(self, wanted: Demand) -> str | None:
        """Who encodes the text that a job waits for; None where it waits for none."""
        if wanted.text is None:
            return None
        names = [one.name for one in self._offers if not one.declared and fits(wanted, one)]
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        return f"its text waits to be encoded by {', '.join(names[:NAMED])}{more}"

    def retries(self, job: JobRow) -> bool:
        """Whether the job only waits for the time of its next attempt."""
        return not job.paused and job.not_before > self.now


def standstill(store: Store, batch: Batch, *, alive: float) -> str | None:
    """Why most of a batch's queued jobs wait, in one line, by the oldest of them.

    Args:
        alive: seconds within which a live worker must have been seen.

    Returns:
        None if they only wait for their turn.
    """
    wanted = JobFilter(batch_id=batch.id, states=(State.QUEUED,))
    oldest = store.history.page(wanted, Order.parse("id"), limit=SAMPLE).rows
    waiting = Waiting(offers=store.workers.offers(alive=alive), now=store.time())
    later = [job for job in oldest if waiting.retries(job)]
    reasons = Counter(waiting.reason(job) for job in oldest if not waiting.retries(job))
    if len(later) > max(reasons.values(), default=0):
        return _retry(store, min(later, key=lambda job: job.not_before), waiting.now)
    return reasons.most_common(1)[0][0] if reasons else None


def _retry(store: Store, job: JobRow, now: float) -> str:
    errors = [attempt.error for attempt in store.history.attempts(job.id) if attempt.error]
    # A traceback follows the message.
    why = f" after {errors[-1].splitlines()[0][:200]}" if errors else ""
    return f"next attempt in {max(1, round(job.not_before - now))} s{why}"
