"""Compares the database's clock with this process's own."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from jobs.settings import Settings

log = logging.getLogger(__name__)

#: Seconds by which the two clocks may move apart between two rounds: a busy machine reads one of
#: them late.
DRIFT = 5.0


class ClockCheck:
    """Says for how long no lease is ended, because its worker may not have been able to renew it.

    The database's clock jumps forward when it is set, and also when a host or a virtual machine was
    suspended: every lease has expired at once, and the workers live. If this process itself was
    without its database for long, or stood still, other workers may have been too.

    Args:
        settings: `lease` and `renew` are used.
        clock: monotonic seconds.
    """

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._last: tuple[float, float] | None = None
        self._quiet = float("-inf")

    def read(self, now: float) -> None:
        """Compare the clocks; `now` is the database's time, read just before."""
        own = self._clock()
        before, self._last = self._last, (now, own)
        if before is None:
            return
        passed = own - before[1]
        moved = now - before[0] - passed
        lease, renew = self._settings.lease, self._settings.renew
        if abs(moved) > DRIFT:
            log.warning(
                "the database's clock moved by %+.1f s against this process's: "
                "no lease is ended for %g s", moved, lease,
            )  # fmt: skip
            self._quiet = max(self._quiet, own + lease)
        elif passed > lease - renew:
            log.warning(
                "the database was out of reach for %.0f s: no lease is ended for %g s",
                passed, renew,
            )  # fmt: skip
            self._quiet = max(self._quiet, own + renew)

    @property
    def quiet(self) -> float:
        """Seconds for which no lease is to be ended; 0: leases may be ended."""
        return max(0.0, self._quiet - self._clock())
