"""The sign of progress that renewals depend on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from jobs.domain.clock import Clock

#: Seconds that loading a model may take: it gives no sign of progress.
LOADING = 600.0


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
        """Seconds since the last progress; 0 within what was allowed."""
        with self._lock:
            return max(0.0, self._clock() - self._at)

    @contextmanager
    def allow(self, seconds: float) -> Iterator[None]:
        """Count what goes on inside as progress for at most so many seconds."""
        with self._lock:
            self._at = self._clock() + seconds
        try:
            yield
        finally:
            self.touch()
