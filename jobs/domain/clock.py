"""Time is seconds since 1970-01-01 UTC, as a float, in SQL and in the program."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

#: Returns the current time in epoch seconds. The store uses the database's clock.
Clock = Callable[[], float]


def iso(seconds: float | None) -> str | None:
    """Epoch seconds as ISO-8601 UTC with milliseconds, e.g. `2026-01-31T22:15:00.250Z`."""
    if seconds is None:
        return None
    stamp = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return stamp.replace("+00:00", "Z")
