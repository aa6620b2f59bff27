"""What is said of an outage of the database."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from jobs.domain.outage import EVERY, Outage
from jobs.errors import UnreachableError

if TYPE_CHECKING:
    from tests.conftest import Ticker

GONE = UnreachableError("database", "postgresql://h/d", "connection refused", "start it")


def test_an_outage_is_over_once_every_thread_that_met_it_has_an_answer(clock: Ticker) -> None:
    said: list[str] = []
    outage = Outage(say=said.append, clock=clock)
    with ThreadPoolExecutor(1) as writer:
        writer.submit(outage.away, GONE).result()
        outage.away(GONE)
        clock.tick(5)
        outage.back()
        assert outage.seconds == 5
        assert len(said) == 1, "the other one still waits"
        writer.submit(outage.back).result()
    assert outage.seconds == 0
    assert said[1:] == ["the database is back after 5 s"]


def test_an_outage_is_said_once_then_rarely_and_when_it_is_over(clock: Ticker) -> None:
    said: list[str] = []
    outage = Outage(say=said.append, clock=clock)
    outage.back()
    assert (said, outage.seconds) == ([], 0.0)
    for _ in range(int(EVERY)):
        outage.away(GONE)
        clock.tick(1)
    assert said == [f"{GONE}; waiting until it is back"]
    assert outage.away(GONE) == outage.seconds == EVERY
    outage.away(GONE)
    assert said[1:] == ["the database has been away for 600 s: connection refused"]
    clock.tick(3)
    outage.back()
    outage.back()
    assert said[2:] == ["the database is back after 603 s"]
    assert outage.seconds == 0.0
    assert outage.away(GONE) == 0.0, "the next one begins anew"
