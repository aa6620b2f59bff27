"""Threads that call functions again and again while a worker runs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)


class PeriodicThreads:
    """Threads that each call a function every few seconds, until all are stopped.

    An error of a call is logged, and the thread goes on: what it does is needed until the end.
    """

    def __init__(self) -> None:
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self, name: str, every: float, call: Callable[[], object]) -> None:
        """Start a thread that makes its first call after `every` seconds."""

        def run() -> None:
            while not self._over.wait(every):
                try:
                    call()
                except Exception:
                    log.exception("%s failed; it is called again in %g s", name, every)

        thread = threading.Thread(target=run, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def stop(self) -> None:
        """Let the calls that run now finish, and end the threads."""
        self._over.set()
        for thread in self._threads:
            thread.join()
