"""Parse times on the command line: ISO dates and times, `2h`, `3d`, `yesterday`."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import click

_AGO = re.compile(r"(\d{1,9})\s*(s|m|h|d|w)")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DAYS = {"today": 0, "yesterday": 1}


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
    if word == "now":
        return now
    if word in _DAYS:
        day = now - timedelta(days=_DAYS[word])
        return day.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None).astimezone()
    ago = _AGO.fullmatch(word.removesuffix(" ago"))
    if ago is not None:
        try:
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        except OverflowError:
            raise ValueError(f"{text!r} is too long ago") from None
    found = datetime.fromisoformat(text.strip())
    return found if found.tzinfo is not None else found.astimezone()


class Moment(click.ParamType):  # type: ignore[type-arg]  # generic only since click 8.5
    """A click type that converts a time to epoch seconds."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The time in epoch seconds."""
        try:
            return moment(str(value), datetime.now().astimezone()).timestamp()
        except (ValueError, OverflowError, OSError):
            self.fail(
                f"{value!r} is not a time: write 2026-01-31, 2026-01-31T22:15, 2h, 3d or yesterday",
                param,
                ctx,
            )
