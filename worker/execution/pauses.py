"""The parts of its offer that this worker does not take for now."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from jobs.domain.clock import Clock
from jobs.domain.pauses import Pause, PauseScope
from jobs.errors import UnreachableError

log = logging.getLogger(__name__)


class Pauses:
    """Pauses of one worker. They begin and end in any thread.

    Claims leave out what is paused. Users see the pauses in `hymo workers` and in the reasons for
    waiting, so they are written to the worker's registration.

    Args:
        write: writes them to the registration; raises `UnreachableError`.
        clock: epoch seconds.
    """

    def __init__(
        self, *, write: Callable[[Sequence[Pause]], None], clock: Clock = time.time
    ) -> None:
        self._write = write
        self._clock = clock
        self._lock = threading.Lock()
        self._pauses: dict[tuple[PauseScope, str], Pause] = {}
        self._written: tuple[Pause, ...] = ()

    def begin(self, scope: PauseScope, subject: str, reason: str) -> None:
        """Begin a pause, or change the reason of one."""
        key = (scope, subject)
        with self._lock:
            before = self._pauses.get(key)
            since = self._clock() if before is None else before.since
            self._pauses[key] = Pause(scope, subject, reason, since)
        if before is None or before.reason != reason:
            log.warning("waits: %s", reason)
            self.record()

    def end(self, scope: PauseScope, subject: str) -> None:
        """End a pause; does nothing if there is none."""
        with self._lock:
            before = self._pauses.pop((scope, subject), None)
        if before is not None:
            log.warning("waits no longer: %s", before.reason)
            self.record()

    @property
    def active(self) -> tuple[Pause, ...]:
        """All pauses, the oldest first."""
        with self._lock:
            return tuple(sorted(self._pauses.values(), key=lambda each: each.since))

    def subjects(self, scope: PauseScope) -> frozenset[str]:
        """The subjects of the pauses of this scope."""
        with self._lock:
            return frozenset(subject for kind, subject in self._pauses if kind is scope)

    def record(self) -> None:
        """Write the pauses to the registration if they changed since.

        While the database is away this does nothing; the heartbeat calls it again.
        """
        active = self.active
        if active == self._written:
            return
        try:
            self._write(active)
        except UnreachableError as error:
            log.warning("pauses not recorded: %s", error)
        else:
            self._written = active
