"""Refused messages: one line with a count, however many there are."""

from __future__ import annotations

import pytest

from jobs.delivery.refusals import BURST, EVERY, Refusals
from tests.conftest import Ticker


def test_a_burst_is_one_line(clock: Ticker, caplog: pytest.LogCaptureFixture) -> None:
    refusals = Refusals(clock)
    for number in range(25):
        refusals.add("hymo.full.1", f"reason {number}")
        refusals.say()
        clock.tick(BURST / 30)
    assert not caplog.records
    clock.tick(BURST)
    for _ in range(3):
        refusals.say()
    (line,) = caplog.messages
    assert "did not write: 25 (the first in hymo.full.1: reason 0)" in line


def test_a_flood_is_a_line_a_minute(clock: Ticker, caplog: pytest.LogCaptureFixture) -> None:
    refusals = Refusals(clock)
    for _ in range(600):
        refusals.add("q", "why")
        refusals.say()
        clock.tick(1.0)
    assert len(caplog.records) == pytest.approx(600 / EVERY, abs=1)


def test_what_is_left_is_said_at_the_end(clock: Ticker, caplog: pytest.LogCaptureFixture) -> None:
    refusals = Refusals(clock)
    refusals.say(now=True)
    assert not caplog.records
    refusals.add("q", "why")
    refusals.say(now=True)
    assert len(caplog.records) == 1
