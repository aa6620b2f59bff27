"""Repeating calls to an unreachable database."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from jobs.domain.outage import Outage
from jobs.errors import ConflictError, OutageError, UnreachableError
from worker.execution.database_retry import PAUSES, DatabaseRetry

if TYPE_CHECKING:
    from tests.conftest import Ticker


class Flaky:
    """Is unreachable a number of times, then answers with the number of calls."""

    def __init__(self, times: int) -> None:
        self.left = times
        self.calls = 0

    def __call__(self) -> int:
        self.calls += 1
        if self.left:
            self.left -= 1
            raise UnreachableError("database", "sqlite:///x", "locked", "wait")
        return self.calls


class Retrying(DatabaseRetry):
    """Notes its pauses and what it says."""

    def __init__(self, clock: Ticker, **given: object) -> None:
        self.pauses: list[float] = []
        self.said: list[str] = []
        outage = Outage(say=self.said.append, clock=clock)

        def sleep(seconds: float) -> None:
            self.pauses.append(seconds)
            clock.tick(seconds)

        super().__init__(outage=outage, mend="start it", sleep=sleep, **given)  # type: ignore[arg-type]  # its own


def test_an_answer_is_passed_on_at_once(clock: Ticker) -> None:
    retry = Retrying(clock)
    assert retry.call(Flaky(0)) == 1
    assert retry.pauses == []
    assert retry.said == []


def test_it_waits_for_ever_with_growing_pauses(clock: Ticker) -> None:
    retry = Retrying(clock)
    assert retry.call(Flaky(5000)) == 5001
    assert retry.pauses == [*PAUSES, *[PAUSES[-1]] * (5000 - len(PAUSES))]


def test_the_begin_and_the_end_are_said(clock: Ticker) -> None:
    retry = Retrying(clock)
    retry.call(Flaky(5))
    first, last = retry.said
    assert "locked" in first
    assert last == f"the database is back after {sum(PAUSES):.0f} s"


def test_it_gives_up_after_the_longest_time(clock: Ticker) -> None:
    retry = Retrying(clock, longest=20)
    with pytest.raises(OutageError, match=r"not answer for \d+ s: locked; start it") as caught:
        retry.call(Flaky(100))
    assert 20 < sum(retry.pauses) <= 20 + PAUSES[-1]
    assert caught.value.exit_code == 7
    assert isinstance(caught.value.__cause__, UnreachableError)


def test_each_outage_has_the_whole_time(clock: Ticker) -> None:
    retry = Retrying(clock, longest=3)
    assert retry.call(Flaky(3)) == 4
    assert retry.call(Flaky(3)) == 4


def test_a_draining_worker_gives_a_short_outage_its_chance(clock: Ticker) -> None:
    draining = threading.Event()
    draining.set()
    retry = Retrying(clock, draining=draining)
    assert retry.call(Flaky(len(PAUSES))) == len(PAUSES) + 1
    with pytest.raises(OutageError):
        retry.call(Flaky(len(PAUSES) + 1))


def test_draining_ends_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pause is longer than the test may last."""
    monkeypatch.setattr("worker.execution.database_retry.PAUSES", (100_000.0,))
    draining = threading.Event()
    waits = threading.Event()
    retry = DatabaseRetry(outage=Outage(say=lambda _: waits.set()), mend="", draining=draining)
    ended: list[OutageError] = []

    def call() -> None:
        try:
            retry.call(Flaky(10))
        except OutageError as error:
            ended.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    assert waits.wait(60)
    draining.set()
    thread.join(60)
    assert len(ended) == 1


def test_waiting_counts_as_progress(clock: Ticker) -> None:
    touched: list[None] = []
    Retrying(clock, on_wait=lambda: touched.append(None)).call(Flaky(7))
    assert len(touched) == 7


def test_other_errors_are_not_its_business(clock: Ticker) -> None:
    def broken() -> None:
        raise ConflictError("batch", "paused", "resume it")

    with pytest.raises(ConflictError):
        Retrying(clock).call(broken)
