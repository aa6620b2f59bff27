"""Probes: they find out when a worker can take again what it paused, and end the pause."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from jobs.domain.clock import Clock
from jobs.domain.pauses import PauseScope
from worker.errors import DeviceFaultError
from worker.execution.failures import first_line, is_device_fault
from worker.execution.pauses import Pauses

log = logging.getLogger(__name__)


@dataclass
class _Probe:
    """A probe of one pause.

    Attributes:
        call: raises while the pause cannot end.
        due: when it is called next, by the clock of `Probes`.
        failures: how often it has failed so far.
    """

    call: Callable[[], object]
    due: float
    failures: int = 0


class Probes:
    """Pauses of a worker that end when a probe succeeds.

    Probes run in the thread that samples packs, and never while one is sampled. Pauses begin in any
    thread.

    Args:
        host: the machine's name, which the reasons of the pauses begin with.
        pauses: where the pauses begin and end.
        backoff: returns the seconds to wait after the n-th failure of a probe.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        *,
        host: str,
        pauses: Pauses,
        backoff: Callable[[int], float],
        clock: Clock = time.monotonic,
    ) -> None:
        self._host = host
        self._pauses = pauses
        self._backoff = backoff
        self._clock = clock
        self._probes: dict[tuple[PauseScope, str], _Probe] = {}

    def begin(
        self,
        scope: PauseScope,
        subject: str,
        reason: str,
        probe: Callable[[], object],
        *,
        wait: float | None = None,
    ) -> None:
        """Begin a pause that lasts until the probe returns without an exception.

        Args:
            scope, subject, reason: of the pause.
            probe: called when due.
            wait: seconds until it is called first; None: as after a first failure.
        """
        self._pauses.begin(scope, subject, f"{self._host}: {reason}")
        first = self._backoff(1) if wait is None else wait
        self._probes[scope, subject] = _Probe(probe, self._clock() + first)

    @property
    def due(self) -> bool:
        """Whether a probe is due."""
        return any(self._clock() >= probe.due for probe in list(self._probes.values()))

    def pending(self, scope: PauseScope, subject: str) -> bool:
        """Whether a pause still waits for its probe."""
        return (scope, subject) in self._probes

    def run(self) -> None:
        """Run the probes that are due.

        Raises:
            DeviceFaultError: only a new process can use the device again.
        """
        for key, probe in list(self._probes.items()):
            if self._clock() < probe.due:
                continue
            try:
                probe.call()
            except Exception as error:
                if is_device_fault(error):
                    raise DeviceFaultError(first_line(error)) from error
                probe.failures += 1
                wait = self._backoff(probe.failures)
                probe.due = self._clock() + wait
                log.warning(
                    "the probe of %s failed; the next one is in %g s: %s",
                    " ".join(key).strip(), wait, first_line(error),
                )  # fmt: skip
            else:
                del self._probes[key]
                self._pauses.end(*key)
