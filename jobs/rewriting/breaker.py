"""When to stop asking: a service that fails every time is not asked for a whole night's prompts."""

from __future__ import annotations

import threading

from jobs.rewriting.errors import NotAskedError, RewriteError

#: Prompts in a row that got no answer, each after all its tries.
LIMIT = 8


class Breaker:
    """Opens after `LIMIT` failures without a success between them, and stays open.

    Safe to use from several threads.
    """

    def __init__(self, *, limit: int = LIMIT) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._row = 0
        self._why: str | None = None

    @property
    def why(self) -> str | None:
        """The last failure's reason, once it is open; None before."""
        return self._why

    def worked(self) -> None:
        """Note an answer."""
        with self._lock:
            self._row = 0

    def failed(self, error: RewriteError) -> None:
        """Note a prompt that got none."""
        with self._lock:
            self._row += 1
            if self._row >= self._limit and self._why is None:
                self._why = error.reason

    def require(self) -> None:
        """Raise `NotAskedError` once it is open."""
        if self._why is not None:
            raise NotAskedError(f"not asked, after {self._limit} in a row without an answer")
