"""Why a queued job is not running, and why a batch makes no progress."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from jobs.domain.batches import Batch
from jobs.domain.pauses import Pause, PauseScope
from jobs.domain.routing import Demand, Offer, fits, misfit
from jobs.domain.states import State
from jobs.store.history.jobfilter import JobFilter
from jobs.store.history.jobrow import JobRow
from jobs.store.history.order import Order
from jobs.store.store import Store

#: Number of the oldest queued jobs that are examined for the reason.
SAMPLE = 100
#: Number of workers listed in a reason.
NAMED = 3
#: How the reasons of jobs begin that wait for a worker's pause to end.
PAUSED = "waits: "
#: Returns in a row from which a job's reason names them.
MANY = 20


class Waiting:
    """Determines why queued jobs wait.

    Args:
        offers: offers of live and declared workers.
        now: current time of the store's clock.
        starting: offers of workers that are starting.
    """

    def __init__(
        self, *, offers: Sequence[Offer], now: float, starting: Sequence[Offer] = ()
    ) -> None:
        self.now = now
        self._offers = offers
        self._starting = starting
        self._misfits: dict[Demand, str | None] = {}

    def reason(self, job: JobRow) -> str | None:
        """The reason in one line; None if the job has ended, runs, or only waits for its turn.

        A job that is done and whose files cannot be saved yet counts as running.
        """
        if job.state != State.QUEUED:
            return self._unsaved(job) if job.state == State.RUNNING else None
        why = self._queued(job)
        if job.returns < MANY:
            return why
        back = f"given back {job.returns} times in a row, see its attempts"
        return back if why is None else f"{why}; {back}"

    def _queued(self, job: JobRow) -> str | None:
        if job.paused:
            return f"batch {job.batch} is paused: `hymo resume {job.batch}`"
        if self.retries(job):
            left = round(job.not_before - self.now)
            return f"attempt {job.attempts + 1} of {job.attempt_limit} follows in {left} s"
        if job.demand not in self._misfits:
            self._misfits[job.demand] = self._misfit(job.demand)
        return self._misfits[job.demand] or self._paused(job) or self._text(job.demand)

    def _misfit(self, wanted: Demand) -> str | None:
        """Why no live worker fits; None if one does."""
        reason = misfit(wanted, self._offers)
        if reason is not None and any(fits(wanted, offer) for offer in self._starting):
            return "workers are starting"
        return reason

    def _paused(self, job: JobRow) -> str | None:
        """Why every live worker that fits leaves the job for now; None if one takes it."""
        reasons: list[str] = []
        for offer in self._offers:
            if offer.declared or not fits(job.demand, offer):
                continue
            own = _pauses(offer, job)
            if not own:
                return None
            reasons += [pause.reason for pause in own]
        return f"{PAUSED}{'; '.join(dict.fromkeys(reasons[:NAMED]))}" if reasons else None

    def _unsaved(self, job: JobRow) -> str | None:
        """Why the worker of a running job cannot save its files; None if it can."""
        for offer in self._offers:
            for pause in _pauses(offer, job) if offer.name == job.worker else ():
                if pause.scope in {PauseScope.OUTPUT, PauseScope.BATCH}:
                    return f"{PAUSED}{pause.reason}"
        return None

    def _text(self, wanted: Demand) -> str | None:
        """The workers that can encode the job's text; None if it needs no encoding."""
        if wanted.text is None:
            return None
        names = [one.name for one in self._offers if not one.declared and fits(wanted, one)]
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        return f"its text waits to be encoded by {', '.join(names[:NAMED])}{more}"

    def retries(self, job: JobRow) -> bool:
        """Whether the job waits for its backoff to end.

        A job queued later than now was queued before the database's clock was set back: it does
        not wait (`jobs.store.queue.conditions.READY`).
        """
        return not job.paused and job.queued_at <= self.now < job.not_before


def standstill(
    store: Store, batch: Batch, *, alive: float, starting: Sequence[Offer] = ()
) -> str | None:
    """The most frequent reason among a batch's oldest queued jobs, in one line.

    Of a batch without queued jobs, the running ones are examined.

    Args:
        alive: a worker not seen for this many seconds does not count as live.
        starting: offers of workers that are starting.

    Returns:
        None if they only wait for their turn.
    """
    oldest: Sequence[JobRow] = ()
    for state in (State.QUEUED, State.RUNNING):
        wanted = JobFilter(batch_id=batch.id, states=(state,))
        oldest = oldest or store.history.page(wanted, Order.parse("id"), limit=SAMPLE).rows
    offers = store.workers.offers(alive=alive)
    waiting = Waiting(offers=offers, now=store.time(), starting=starting)
    later = [job for job in oldest if waiting.retries(job)]
    reasons = Counter(waiting.reason(job) for job in oldest if not waiting.retries(job))
    if len(later) > max(reasons.values(), default=0):
        return _retry(store, min(later, key=lambda job: job.not_before), waiting.now)
    return reasons.most_common(1)[0][0] if reasons else None


def _pauses(offer: Offer, job: JobRow) -> list[Pause]:
    where = {"model": job.model, "mode": job.mode, "batch": job.batch, "output": job.output}
    text = job.text is not None
    return [pause for pause in offer.pauses if pause.covers(text=text, **where)]


def _retry(store: Store, job: JobRow, now: float) -> str:
    errors = [attempt.error for attempt in store.history.attempts(job.id) if attempt.error]
    # A traceback follows the message.
    why = f" after {errors[-1].splitlines()[0][:200]}" if errors else ""
    return f"next attempt in {max(1, round(job.not_before - now))} s{why}"
