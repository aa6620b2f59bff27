"""Retries are left to other devices than the one that failed, if another worker can take them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from jobs.domain.attempts import Claim, Failed
from jobs.domain.pauses import Pause, PauseScope
from jobs.domain.routing import TextDemand
from jobs.domain.states import Failure
from tests.conftest import Ticker
from tests.integration.store.conftest import Farm, Hand


def worker(farm: Farm, name: str, *, host: str = "rack1", **offer: object) -> Hand:
    made = farm.offer(name, **offer)
    card = farm.card(made, host=host, uuid=f"GPU-{name[0]}")
    return Hand(farm.store.workers.register(card), made)


def fail(farm: Farm, claim: Claim, failure: Failure = Failure.ERROR) -> None:
    farm.store.completion.fail([Failed(claim, failure, "broken")], backoff=lambda _: 20.0)


def expire(farm: Farm, clock: Ticker, *others: Hand) -> None:
    clock.tick(61)
    for each in others:
        farm.store.workers.heartbeat(each.id)
    farm.store.leases.expire(backoff=lambda _: 20.0)


@pytest.mark.parametrize(
    ("end", "seconds"),
    [
        (fail, 60),
        (lambda farm, claim: fail(farm, claim, Failure.TIMEOUT), 60),
        (
            lambda farm, claim: farm.store.leases.expire_worker(
                claim.worker_id, "killed", backoff=lambda _: 20.0
            ),
            10,
        ),
    ],
    ids=["error", "timeout", "killed"],
)
def test_a_retry_is_left_to_the_other_device_for_a_while(
    farm: Farm, clock: Ticker, end: Callable[[Farm, Claim], None], seconds: float
) -> None:
    (number,) = farm.jobs(1)
    sick, well = worker(farm, "a"), worker(farm, "b")
    end(farm, farm.claim(sick)[0])
    row = farm.job(number)
    assert (row.avoid, row.avoid_until) == ("rack1 GPU-a", clock.time + 20 + seconds)
    clock.tick(20 + seconds - 1)
    again = worker(farm, "a2")  # the same device under another name
    assert farm.claim(sick) == farm.claim(again) == []
    (claim,) = farm.claim(well)
    farm.succeed([claim])
    assert farm.job(number).avoid is None


def test_the_device_takes_the_retry_itself_after_a_minute(farm: Farm, clock: Ticker) -> None:
    farm.jobs(1)
    sick, _ = worker(farm, "a"), worker(farm, "b")
    fail(farm, farm.claim(sick)[0])
    clock.tick(80)
    assert len(farm.claim(sick)) == 1


def test_a_lease_that_ran_out_avoids_its_device(farm: Farm, clock: Ticker) -> None:
    (number,) = farm.jobs(1)
    sick, well = worker(farm, "a"), worker(farm, "b")
    farm.claim(sick)
    expire(farm, clock, well)
    assert farm.job(number).avoid == "rack1 GPU-a"


@pytest.mark.parametrize("failure", [Failure.NUMERICS, Failure.OUT_OF_MEMORY])
def test_what_the_job_itself_does_wrong_avoids_nothing(farm: Farm, failure: Failure) -> None:
    (number,) = farm.jobs(1)
    sick, _ = worker(farm, "a"), worker(farm, "b")
    fail(farm, farm.claim(sick)[0], failure)
    assert farm.job(number).avoid is None


@pytest.mark.parametrize("other", ["none", "same device", "small", "gone", "draining", "paused"])
def test_without_another_device_that_can_take_it_nothing_is_avoided(
    farm: Farm, clock: Ticker, other: str
) -> None:
    (number,) = farm.jobs(1)
    if other == "gone":
        worker(farm, "b")
        clock.tick(61)
    sick = worker(farm, "a")
    if other == "same device":
        worker(farm, "a2")
    if other == "small":
        worker(farm, "b", gib=4)
    if other == "draining":
        farm.store.workers.heartbeat(worker(farm, "b").id, state="draining")
    if other == "paused":
        pause = Pause(PauseScope.MODEL, "tiny full", "cannot be loaded", clock.time)
        whole = Pause(PauseScope.WORKER, "", "sick", clock.time)
        farm.store.workers.set_pauses(worker(farm, "b").id, [whole])
        farm.store.workers.set_pauses(worker(farm, "c").id, [pause])
    fail(farm, farm.claim(sick)[0])
    assert farm.job(number).avoid is None
    clock.tick(20)
    assert len(farm.claim(sick)) == 1


def test_a_pause_for_another_model_leaves_a_worker_able_to_take_it(
    farm: Farm, clock: Ticker
) -> None:
    (number,) = farm.jobs(1)
    sick, well = worker(farm, "a"), worker(farm, "b")
    pause = Pause(PauseScope.MODEL, "null full", "cannot be loaded", clock.time)
    farm.store.workers.set_pauses(well.id, [pause])
    fail(farm, farm.claim(sick)[0])
    assert farm.job(number).avoid == "rack1 GPU-a"


def test_an_encoding_that_failed_is_left_to_another_encoder(farm: Farm, clock: Ticker) -> None:
    (number,) = farm.jobs(1)
    sick, well = (worker(farm, name, encoders={"tiny": "te-1"}) for name in "ab")
    farm.store.encoding.park([number], TextDemand(gib=20, revision="te-1"))

    def claim(hand: Hand) -> list[Claim]:
        return farm.store.encoding.claim_texts(hand.id, [number], revision="te-1", lease=60.0)

    fail(farm, claim(sick)[0])
    clock.tick(21)
    assert claim(sick) == []
    assert len(claim(well)) == 1


def test_a_job_given_back_for_a_reason_says_it_and_backs_off(farm: Farm, clock: Ticker) -> None:
    (number,) = farm.jobs(1)
    hand = worker(farm, "a")
    for waits in (0.0, 5.0, 10.0):
        (claim,) = farm.claim(hand)
        farm.store.completion.release([claim], reason="gone", backoff=lambda n: 5.0 * n)
        row = farm.job(number)
        assert (row.state, row.error, row.attempt_limit) == ("queued", "gone", 3 + claim.attempt)
        assert row.not_before <= clock.time + waits
        clock.tick(waits)
    assert [(one.outcome, one.error) for one in farm.tries(number)] == [("released", "gone")] * 3
