"""Parse times on the command line: ISO dates and times, `2h`, `3d`, `yesterday`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import click

_AGO = re.compile(r"(\d{1,9})\s*(s|m|h|d|w)")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DAYS = {"today": 0, "yesterday": 1}


@dataclass(frozen=True)
class Ago:
    """A time relative to now.

    Stored times come from the database's clock, from which this machine's may differ.
    """

    seconds: float


def moment(text: str, now: datetime) -> datetime:
    """The time that `text` names, in the local time zone unless it contains another.

    Args:
        text: `2026-01-31`, `2026-01-31T22:15`, `2026-01-31 22:15:00+01:00`, `2h` (ago; units
            s, m, h, d, w), `today` or `yesterday` (at 00:00), `now`.
        now: the current time, with a time zone.

    Raises:
        ValueError: `text` is not a time.
    """
    word = text.strip().lower()
    if word in _DAYS:
        day = now - timedelta(days=_DAYS[word])
        return day.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None).astimezone()
    try:
        ago = _ago(text)
        if ago is not None:
            return now - ago
    except OverflowError:
        raise ValueError(f"{text!r} is too long ago") from None
    found = datetime.fromisoformat(text.strip())
    return found if found.tzinfo is not None else found.astimezone()


def _ago(text: str) -> timedelta | None:
    """How long ago `2h` or `now` is; None if `text` is another time."""
    word = text.strip().lower()
    if word == "now":
        return timedelta()
    found = _AGO.fullmatch(word.removesuffix(" ago"))
    return None if found is None else timedelta(**{_UNITS[found[2]]: int(found[1])})


class Moment(click.ParamType):  # type: ignore[type-arg]  # generic only since click 8.5
    """A click type that converts a time to epoch seconds, or to an `Ago` for `2h` and `now`."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float | Ago:
        """The time in epoch seconds, or relative to now."""
        if isinstance(value, Ago):
            return value
        text, now = str(value), datetime.now().astimezone()
        try:
            found = moment(text, now)
            if _ago(text) is not None:
                return Ago((now - found).total_seconds())
            return found.timestamp()
        except (ValueError, OverflowError, OSError):
            self.fail(
                f"{value!r} is not a time: write 2026-01-31, 2026-01-31T22:15, 2h, 3d or yesterday",
                param,
                ctx,
            )
