"""The sign of progress that renewals depend on."""

from __future__ import annotations

import threading

from jobs.clock import Clock


class Stamp:
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
        """Seconds since the last progress."""
        with self._lock:
            return self._clock() - self._at
