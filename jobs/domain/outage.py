"""An outage of the database, as one process sees it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from jobs.domain.clock import Clock
from jobs.errors import UnreachableError

#: Seconds between two sentences while an outage lasts.
EVERY = 600.0


class Outage:
    """Measures how long the database has been away and says so: when an outage begins, rarely
    while it lasts, and when it is over. The methods may be called from any thread.

    A database whose disk is full still answers reads, and small writes for a while. So an outage is
    over only when each thread that met it has had an answer.

    Args:
        say: called with each sentence.
        clock: monotonic seconds.
    """

    def __init__(self, *, say: Callable[[str], object], clock: Clock = time.monotonic) -> None:
        self._say = say
        self._clock = clock
        self._lock = threading.Lock()
        self._since: float | None = None
        #: Threads whose last call was not answered.
        self._waiting: set[int] = set()
        self._due = 0.0

    @property
    def seconds(self) -> float:
        """Seconds since the database first did not answer; 0 if no outage lasts."""
        since = self._since
        return 0.0 if since is None else self._clock() - since

    def away(self, error: UnreachableError) -> float:
        """Record that the database did not answer a call of this thread.

        Returns the seconds since it first did not.
        """
        now = self._clock()
        with self._lock:
            self._waiting.add(threading.get_ident())
            begun = self._since is None
            since = self._since = now if self._since is None else self._since
            told = not begun and now < self._due
            if not told:
                self._due = now + EVERY
        if begun:
            self._say(f"{error}; waiting until it is back")
        elif not told:
            self._say(f"the database has been away for {now - since:.0f} s: {error.reason}")
        return now - since

    def back(self) -> None:
        """Record that the database answered a call of this thread."""
        if self._since is None:
            return
        with self._lock:
            self._waiting.discard(threading.get_ident())
            if self._waiting:
                return
            since, self._since = self._since, None
        if since is not None:
            self._say(f"the database is back after {self._clock() - since:.0f} s")
