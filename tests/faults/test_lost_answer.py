"""The connection breaks between a claim's commit and the answer: the worker takes its jobs up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jobs.domain.routing import TextDemand
from jobs.store.store import Store
from tests.faults.proxy import LossyProxy
from tests.unit.worker.stub import Bench

if TYPE_CHECKING:
    from tests.conftest import Ticker

pytestmark = pytest.mark.postgres


@dataclass
class Lossy:
    """A worker's parts on PostgreSQL, and the proxy between the two."""

    bench: Bench
    proxy: LossyProxy


@pytest.fixture
def lossy(home: Path, postgres_url: str, clock: Ticker) -> Iterator[Lossy]:
    proxy = LossyProxy(postgres_url, home)
    with Store.open(proxy.url, clock=clock) as store:
        yield Lossy(Bench(store, clock, home), proxy)
    proxy.close()


def test_a_claim_whose_answer_is_lost_is_taken_up(lossy: Lossy) -> None:
    bench = lossy.bench
    bench.insert(*"abcde")
    queue = bench.queue()
    first = queue.claim(None, lambda _: 2)
    lossy.proxy.lose_commit()
    # The retry's pauses turn the clock: what is taken up has its whole lease again.
    found = queue.claim(None, lambda _: 2, held=[claim.job_id for claim in first])
    assert lossy.proxy.lost == 1
    assert [claim.custom_id for claim in found] == ["c", "d"]
    assert {bench.job(name)["state"] for name in "cd"} == {"running"}
    assert {bench.job(name)["lease_until"] for name in "cd"} == {bench.clock.time + 90}
    assert bench.job("e")["state"] == "queued"
    assert [(claim.attempt, claim.batch, claim.worker_id) for claim in found] == [
        (1, "b", bench.worker_id)
    ] * 2
    assert bench.rows("SELECT count(*) AS n FROM attempts")[0]["n"] == 4
    assert queue.renew(found).lost == frozenset()


def test_the_loop_ends_each_job_once(lossy: Lossy) -> None:
    lossy.bench.insert(*"abc")
    lossy.proxy.lose_commit()
    assert lossy.bench.loop().poll() == 3
    assert lossy.proxy.lost == 1
    assert set(lossy.bench.states().values()) == {"succeeded"}
    assert [row["outcome"] for row in lossy.bench.rows("SELECT outcome FROM attempts")] == [
        "succeeded"
    ] * 3


def test_texts_to_encode_are_taken_up_too(lossy: Lossy) -> None:
    bench, demand = lossy.bench, TextDemand(gib=20, revision="te-1")
    numbers = list(bench.insert(*"ab").values())
    bench.insert("c")
    queue = bench.queue()
    queue.park(numbers, demand)
    (sampled,) = bench.claim(1)
    lossy.proxy.lose_commit()
    claims = queue.claim_texts(numbers, demand)
    assert lossy.proxy.lost == 1
    assert [claim.job_id for claim in claims] == numbers
    assert sampled.job_id not in numbers
    modes = bench.rows("SELECT mode, count(*) AS n FROM attempts GROUP BY mode ORDER BY mode")
    assert [(row["mode"], row["n"]) for row in modes] == [("encode", 2), ("full", 1)]
