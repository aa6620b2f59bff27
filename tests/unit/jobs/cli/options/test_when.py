"""Times on the command line."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from jobs.cli.options.filters import filtered
from jobs.cli.options.when import Moment, moment
from jobs.store.store import Store

if TYPE_CHECKING:
    from tests.conftest import Ticker


@pytest.fixture(autouse=True)
def _berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def now() -> datetime:
    # One and a half days after the clocks went back there.
    return datetime.fromisoformat("2026-10-26T12:30:00+01:00").astimezone()


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("now", "2026-10-26T12:30:00+01:00"),
        ("2h", "2026-10-26T10:30:00+01:00"),
        (" 90 S ", "2026-10-26T12:28:30+01:00"),
        ("3d ago", "2026-10-23T12:30:00+01:00"),
        ("1w", "2026-10-19T12:30:00+01:00"),
        ("today", "2026-10-26T00:00:00+01:00"),
        ("Yesterday", "2026-10-25T00:00:00+02:00"),
        ("2026-01-31", "2026-01-31T00:00:00+01:00"),
        ("2026-07-31", "2026-07-31T00:00:00+02:00"),
        ("2026-01-31T22:15", "2026-01-31T22:15:00+01:00"),
        ("2026-01-31 22:15:30", "2026-01-31T22:15:30+01:00"),
        ("2026-01-31T22:15Z", "2026-01-31T22:15:00+00:00"),
        ("2026-01-31T22:15-05:00", "2026-01-31T22:15:00-05:00"),
    ],
)
def test_moments(text: str, iso: str) -> None:
    assert moment(text, now()).timestamp() == datetime.fromisoformat(iso).timestamp()


def test_a_time_is_never_ambiguous() -> None:
    for text in ("2h", "yesterday", "2026-01-31"):
        assert moment(text, now()).utcoffset() is not None
    assert moment("2h", datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=5)))).hour == 22


@pytest.mark.parametrize("text", ["", "h", "2", "2y", "soon", "2026-13-01", "999999999w", "-2h"])
def test_no_moments(text: str) -> None:
    with pytest.raises(ValueError):
        moment(text, now())


def test_times_ago_count_from_the_stores_clock(timed: Store, clock: Ticker) -> None:
    """Jobs are stamped by the database, whose clock may differ from this machine's by hours."""

    def since(value: str) -> Any:
        given = dict.fromkeys(("batch", "modes", "cards", "workers", "until"))
        return filtered(timed, since=Moment().convert(value, None, None), **given)["since"]

    assert since("10m") == clock.time - 600
    assert since("now") == clock.time
    clock.tick(-7200)
    assert since("10m") == clock.time - 600
    assert since("2026-01-31T22:15Z") == datetime(2026, 1, 31, 22, 15, tzinfo=UTC).timestamp()
