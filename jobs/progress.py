"""How far a batch is: counts, rate and the time left."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from jobs.clock import Clock
from jobs.records import Batch
from jobs.states import FINAL, State
from jobs.store.store import Store

#: Seconds of the past over which the rate is taken.
WINDOW = 30.0


@dataclass(frozen=True)
class Snapshot:
    """A batch at one moment.

    Attributes:
        counts: jobs in each state; states without any are left out.
        total, done: all jobs, and those in a final state.
        rate: jobs finished a second over the last `WINDOW` seconds; 0 until one did.
        eta: seconds left at that rate; None while there is no rate.
    """

    counts: Mapping[State, int]
    total: int
    done: int
    rate: float
    eta: float | None

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.done == self.total

    @property
    def failed(self) -> int:
        """Jobs that ended as failed."""
        return self.counts.get(State.FAILED, 0)


class BatchProgress:
    """Takes snapshots of one batch.

    Args:
        store: the database.
        batch: to look at.
        clock: monotonic seconds.
    """

    def __init__(self, *, store: Store, batch: Batch, clock: Clock = time.monotonic) -> None:
        self._store = store
        self.batch = batch
        self._clock = clock
        self._past: deque[tuple[float, int]] = deque()

    def snapshot(self) -> Snapshot:
        """The batch now."""
        counts = self._store.batches.counts(self.batch.id)
        total = sum(counts.values())
        done = sum(number for state, number in counts.items() if state in FINAL)
        rate = self._rate(done)
        eta = (total - done) / rate if rate > 0 else None
        return Snapshot(counts=counts, total=total, done=done, rate=rate, eta=eta)

    def _rate(self, done: int) -> float:
        now = self._clock()
        self._past.append((now, done))
        while now - self._past[0][0] > WINDOW and len(self._past) > 2:
            self._past.popleft()
        then, before = self._past[0]
        return max(0.0, (done - before) / (now - then)) if now > then else 0.0
