"""The sign of progress that renewals depend on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from jobs.domain.clock import Clock


class ProgressStamp:
    """When the work last moved on; set by the sampling thread, read by the lease keeper.

    Args:
        clock: a monotonic clock in seconds.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._at = clock()
        self._lock = threading.Lock()

    def touch(self) -> None:
        """Note progress."""
        with self._lock:
            self._at = self._clock()

    def age(self) -> float:
        """Seconds since the last progress; 0 within what was granted."""
        with self._lock:
            return max(0.0, self._clock() - self._at)

    @contextmanager
    def allow(self, seconds: float) -> Iterator[None]:
        """Count what goes on as progress for at most so many seconds: loading gives no sign."""
        with self._lock:
            self._at = self._clock() + seconds
        try:
            yield
        finally:
            self.touch()
