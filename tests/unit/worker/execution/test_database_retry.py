"""Repeating calls to a database that is away."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from jobs.errors import ConflictError, UnreachableError
from worker.errors import OutageError
from worker.execution.database_retry import PAUSES, DatabaseRetry

if TYPE_CHECKING:
    from tests.conftest import Ticker


class Flaky:
    """Unreachable so many times, then answers with the number of calls."""

    def __init__(self, times: int) -> None:
        self.left = times
        self.calls = 0

    def __call__(self) -> int:
        self.calls += 1
        if self.left:
            self.left -= 1
            raise UnreachableError("database", "sqlite:///x", "locked", "wait")
        return self.calls


def retrying(clock: Ticker, longest: float) -> tuple[DatabaseRetry, list[float]]:
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        clock.tick(seconds)

    return DatabaseRetry(longest=longest, clock=clock, sleep=sleep), pauses


def test_an_answer_is_passed_on_at_once(clock: Ticker) -> None:
    retry, pauses = retrying(clock, 10)
    assert retry.call(Flaky(0)) == 1
    assert pauses == []


def test_it_tries_again_with_growing_pauses(clock: Ticker) -> None:
    retry, pauses = retrying(clock, 300)
    assert retry.call(Flaky(7)) == 8
    assert pauses == [*PAUSES, PAUSES[-1], PAUSES[-1]]


def test_a_long_outage_is_told_once(clock: Ticker, caplog: pytest.LogCaptureFixture) -> None:
    retry, _ = retrying(clock, 300)
    with caplog.at_level(logging.WARNING):
        retry.call(Flaky(5))
    assert [record.message for record in caplog.records if "locked" in record.message] == [
        "database sqlite:///x is unreachable: locked; wait; trying again"
    ]


def test_it_gives_up_after_the_longest_time(clock: Ticker) -> None:
    retry, pauses = retrying(clock, 20)
    with pytest.raises(OutageError, match=r"did not answer for \d+ s: locked") as caught:
        retry.call(Flaky(100))
    assert 20 < sum(pauses) <= 20 + PAUSES[-1]
    assert caught.value.exit_code == 7
    assert isinstance(caught.value.__cause__, UnreachableError)


def test_each_call_has_the_whole_time(clock: Ticker) -> None:
    retry, _ = retrying(clock, 3)
    assert retry.call(Flaky(3)) == 4
    assert retry.call(Flaky(3)) == 4


def test_other_errors_are_not_its_business(clock: Ticker) -> None:
    def broken() -> None:
        raise ConflictError("batch", "paused", "resume it")

    with pytest.raises(ConflictError):
        retrying(clock, 10)[0].call(broken)
