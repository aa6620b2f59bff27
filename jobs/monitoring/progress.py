"""A batch's progress: counts, rate and remaining time."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from jobs.domain.batches import Batch
from jobs.domain.clock import Clock
from jobs.domain.routing import Offer
from jobs.domain.states import FINAL, State
from jobs.monitoring.waiting import PAUSED, standstill
from jobs.store.store import Store

#: Seconds over which the rate is averaged.
WINDOW = 30.0
#: Seconds before the reason is determined, and between updates of it.
STILL = 4.0


@dataclass(frozen=True)
class ProgressSnapshot:
    """A batch at one moment.

    Attributes:
        counts: number of jobs in each state; states without jobs are left out.
        total, done: number of all jobs, and of those in a final state.
        rate: jobs finished per second over the last `WINDOW` seconds.
        eta: remaining seconds at that rate; None if the rate is 0.
        reason: why the queued jobs wait, if none has been running for `STILL` seconds; or why the
            worker waits that holds the running ones; or what is wrong with a database that is away.
        away: seconds since the database last answered, if it does not; the rest is as of then.
    """

    counts: Mapping[State, int]
    total: int
    done: int
    rate: float
    eta: float | None
    reason: str | None = None
    away: float | None = None

    @property
    def finished(self) -> bool:
        """Whether all jobs are known to be in a final state."""
        return self.away is None and self.done == self.total

    @property
    def failed(self) -> int:
        """Number of failed jobs."""
        return self.counts.get(State.FAILED, 0)

    @property
    def fruitless(self) -> bool:
        """Whether a job failed, or every job was cancelled."""
        cancelled = self.counts.get(State.CANCELLED, 0)
        return self.failed > 0 or 0 < cancelled == self.total


#: What is known before the database has answered.
UNKNOWN = ProgressSnapshot(counts={}, total=0, done=0, rate=0.0, eta=None)


class BatchProgress:
    """Takes snapshots of one batch.

    Args:
        store: the database.
        batch: the batch.
        alive: a worker not seen for this many seconds does not count as live.
        starting: returns the offers of workers that this process is starting.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        *,
        store: Store,
        batch: Batch,
        alive: float,
        starting: Callable[[], Sequence[Offer]] = tuple,
        clock: Clock = time.monotonic,
    ) -> None:
        self._store = store
        self.batch = batch
        self._alive = alive
        self._starting = starting
        self._clock = clock
        self._past: deque[tuple[float, int]] = deque()
        self._reason: str | None = None
        self._due: float | None = None
        self._running = False

    def snapshot(self) -> ProgressSnapshot:
        """The batch's current progress."""
        counts = self._store.batches.counts(self.batch.id)
        total = sum(counts.values())
        done = sum(number for state, number in counts.items() if state in FINAL)
        rate = self._rate(done)
        eta = (total - done) / rate if rate > 0 else None
        reason = self._still(counts)
        return ProgressSnapshot(
            counts=counts, total=total, done=done, rate=rate, eta=eta, reason=reason
        )

    def require_room(self) -> None:
        """Raise `UnreachableError` if the database can be read and not written."""
        self._store.require_room()

    def _still(self, counts: Mapping[State, int]) -> str | None:
        now = self._clock()
        running = bool(counts.get(State.RUNNING))
        if not counts.get(State.QUEUED) and not running:
            self._reason = self._due = None
        elif self._due is None or running != self._running:
            self._reason, self._due = None, now + STILL
        elif now >= self._due:
            found = standstill(
                self._store, self.batch, alive=self._alive, starting=self._starting()
            )
            # While jobs run, others may wait for anything; but those may wait to be saved.
            self._reason = None if running and not (found or "").startswith(PAUSED) else found
            self._due = now + STILL
        self._running = running
        return self._reason

    def _rate(self, done: int) -> float:
        now = self._clock()
        self._past.append((now, done))
        while now - self._past[0][0] > WINDOW and len(self._past) > 2:
            self._past.popleft()
        then, before = self._past[0]
        return max(0.0, (done - before) / (now - then)) if now > then else 0.0
