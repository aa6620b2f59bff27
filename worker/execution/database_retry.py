"""Repeating what a database that is locked or away for a while did not answer."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from jobs.domain.clock import Clock
from jobs.errors import UnreachableError
from worker.errors import OutageError

log = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")

#: Pauses between tries, seconds; the last one repeats.
PAUSES = (0.2, 0.5, 1.0, 2.0, 5.0)


class DatabaseRetry:
    """Repeats a store call until the database answers. Every write of the store is fenced, so a
    repeated one does nothing twice.

    Args:
        longest: seconds after which it gives up with `OutageError`.
        clock, sleep: injected by tests.
    """

    def __init__(
        self,
        *,
        longest: float,
        clock: Clock = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._longest = longest
        self._clock = clock
        self._sleep = sleep

    def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What the function returns, once the database answers it."""
        begun = self._clock()
        tries = 0
        while True:
            try:
                return function(*args, **kwargs)
            except UnreachableError as error:
                gone = self._clock() - begun
                if gone > self._longest:
                    raise OutageError(gone, error.reason) from error
                if tries == 0:
                    log.warning("%s; trying again", error)
                self._sleep(PAUSES[min(tries, len(PAUSES) - 1)])
                tries += 1
