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
        self._alarms: list[threading.Event] = []
        self._threads: list[tuple[threading.Thread, float | None]] = []

    def start(
        self,
        name: str,
        every: float,
        call: Callable[[], object],
        *,
        wake: threading.Event | None = None,
        patience: float | None = None,
    ) -> None:
        """Start a thread that makes its first call after `every` seconds.

        Args:
            name: the thread's name.
            every: seconds between two calls.
            call: the function.
            wake: it is called at once whenever this is set.
            patience: seconds that stopping waits for a call to end; None: until it does.
        """
        alarm = self._over if wake is None else wake
        self._alarms.append(alarm)

        def run() -> None:
            while True:
                alarm.wait(every)
                if wake is not None:
                    wake.clear()  # before the check: `_over` is set before `wake`
                if self._over.is_set():
                    return
                try:
                    call()
                except Exception:
                    log.exception("%s failed; it is called again in %g s", name, every)

        thread = threading.Thread(target=run, name=name, daemon=True)
        self._threads.append((thread, patience))
        thread.start()

    def stop(self) -> None:
        """Let the calls that run now finish, and end the threads."""
        self._over.set()
        for alarm in self._alarms:
            alarm.set()
        for thread, patience in self._threads:
            thread.join(patience)
