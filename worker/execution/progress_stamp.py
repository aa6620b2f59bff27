"""The time of the last progress; leases are renewed only while it is recent."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from jobs.domain.clock import Clock

#: Seconds that loading a model may take: it reports no progress meanwhile.
LOADING = 600.0


class ProgressStamp:
    """The time of the last progress, set by the sampling thread and read by the lease keeper.

    Args:
        clock: a monotonic clock in seconds.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._at = clock()
        self._lock = threading.Lock()

    def touch(self) -> None:
        """Record progress."""
        with self._lock:
            self._at = self._clock()

    def age(self) -> float:
        """Seconds since the last progress; 0 within an `allow` period."""
        with self._lock:
            return max(0.0, self._clock() - self._at)

    @contextmanager
    def allow(self, seconds: float) -> Iterator[None]:
        """Count the body of the context as progress, for at most `seconds`."""
        with self._lock:
            self._at = self._clock() + seconds
        try:
            yield
        finally:
            self.touch()
