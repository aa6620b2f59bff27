"""Refused messages: counted, and said in one line."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

log = logging.getLogger(__name__)

#: Seconds in which messages are counted before the first line, so that it names all of a burst.
BURST = 1.0
#: Seconds between two lines, whatever is written to the broker.
EVERY = 60.0


class Refusals:
    """Counts the messages that a worker dropped, and logs a line a minute at most.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._count = 0
        self._first = ""
        self._due = float("-inf")

    def add(self, queue: str, reason: str) -> None:
        """Count a message of `queue`; `reason` must quote nothing of it."""
        if not self._count:
            self._first = f"the first in {queue}: {reason}"
            self._due = max(self._due, self._clock() + BURST)
        self._count += 1

    def say(self, *, now: bool = False) -> None:
        """Log what was counted since the last line, if a line is due or `now`."""
        if not self._count or (not now and self._clock() < self._due):
            return
        log.warning(
            "messages dropped that HyMo did not write: %d (%s). No job is lost by that; find out "
            "who else writes to the broker, and set a password for it",
            self._count, self._first,
        )  # fmt: skip
        self._count = 0
        self._due = self._clock() + EVERY
