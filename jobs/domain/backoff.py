"""How long a failed job waits before its next attempt."""

from __future__ import annotations

from collections.abc import Callable

#: The longest wait before a retry, in seconds.
LONGEST = 300.0


def at_once(_attempt: int) -> float:
    """No wait, for jobs that were lost with their worker: that they are suspects is enough."""
    return 0.0


def exponential(first: float) -> Callable[[int], float]:
    """Seconds to wait after attempt n: `first`, doubled with each attempt, at most `LONGEST`."""

    def delay(attempt: int) -> float:
        return min(first * 2.0 ** min(attempt - 1, 32), LONGEST)

    return delay
