"""Repeats database calls while the database is locked, full or unreachable."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from jobs.domain.outage import Outage
from jobs.errors import OutageError, UnreachableError

P = ParamSpec("P")
T = TypeVar("T")

#: Pauses between tries, seconds; the last one repeats.
PAUSES = (0.2, 0.5, 1.0, 2.0, 5.0)


class DatabaseRetry:
    """Repeats a store call until the database answers, for ever by default.

    Every write of the store is fenced, so repeating one has no second effect.

    Args:
        outage: records whether the database answers.
        mend: what the user can do once the wait is given up, as the end of its error.
        longest: seconds of an outage after which it raises `OutageError`.
        draining: once it is set the database gets one more try for each of `PAUSES`; then the
            wait ends with `OutageError`.
        on_wait: called before each pause.
        sleep: None: waits, but not past the moment at which `draining` is set. Tests inject it.
    """

    def __init__(
        self,
        *,
        outage: Outage,
        mend: str,
        longest: float = math.inf,
        draining: threading.Event | None = None,
        on_wait: Callable[[], object] = lambda: None,
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        self._outage = outage
        self._mend = mend
        self._longest = longest
        self._draining = threading.Event() if draining is None else draining
        self._on_wait = on_wait
        self._sleep = sleep

    def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call the function until the database answers, and return its result."""
        tries = 0
        while True:
            try:
                result = function(*args, **kwargs)
            except UnreachableError as error:
                gone = self._outage.away(error)
                draining = self._draining.is_set()
                if gone > self._longest or (draining and tries >= len(PAUSES)):
                    raise OutageError(gone, error.reason, self._mend) from error
                self._on_wait()
                sleep = self._sleep or (time.sleep if draining else self._draining.wait)
                sleep(PAUSES[min(tries, len(PAUSES) - 1)])
                tries += 1
            else:
                self._outage.back()
                return result
