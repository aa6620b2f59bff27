"""Faults of a device: whom they count against, and how the suspects are tried again."""

from __future__ import annotations

import pytest

from jobs.domain.attempts import Claim
from jobs.domain.states import State
from tests.conftest import Ticker
from tests.integration.store.conftest import Farm, Hand

ERROR = "device fault: CUDA error: device-side assert triggered"


def worker(farm: Farm, name: str, gpu: str) -> Hand:
    offer = farm.offer(name)
    return Hand(farm.store.workers.register(farm.card(offer, uuid=gpu)), offer)


def break_device(farm: Farm, claims: list[Claim]) -> dict[int, State]:
    return farm.store.completion.faulted(
        claims, ERROR, alone=len(claims) == 1, backoff=lambda _: 5.0
    )


def counted(farm: Farm, number: int) -> int:
    """How many of its attempts count."""
    row = farm.job(number)
    return int(row.attempt) - (int(row.attempt_limit) - 3)


def test_one_of_a_pack_is_not_to_blame_yet(farm: Farm) -> None:
    ids = farm.jobs(3)
    states = break_device(farm, farm.claim(worker(farm, "a", "GPU-1"), limit=3))
    assert states == dict.fromkeys(ids, State.QUEUED)
    for number in ids:
        row = farm.job(number)
        assert (counted(farm, number), row.suspect, row.failure, row.error) == (
            0, True, None, ERROR,
        )  # fmt: skip
        (attempt,) = farm.tries(number)
        assert (attempt.outcome, attempt.failure, attempt.error) == ("released", None, ERROR)


def test_alone_it_counts(farm: Farm) -> None:
    (number,) = farm.jobs(1)
    break_device(farm, farm.claim(worker(farm, "a", "GPU-1")))
    assert (counted(farm, number), farm.job(number).failure) == (1, "error")


@pytest.mark.parametrize(("gpu", "counts"), [("GPU-1", 0), ("GPU-2", 1)])
def test_it_counts_on_a_second_device_and_not_on_the_same_again(
    farm: Farm, clock: Ticker, gpu: str, counts: int
) -> None:
    """Whatever the worker is called: a restarted one has another row."""
    ids = farm.jobs(2)
    break_device(farm, farm.claim(worker(farm, "a", "GPU-1"), limit=2))
    clock.tick(61)
    claims = farm.claim(worker(farm, "b", gpu), limit=8)
    assert {claim.job_id for claim in claims} == set(ids)
    break_device(farm, claims)
    assert [counted(farm, number) for number in ids] == [counts] * 2


def test_another_device_takes_them_first(farm: Farm, clock: Ticker) -> None:
    farm.jobs(2)
    first, second = worker(farm, "a", "GPU-1"), worker(farm, "b", "GPU-2")
    break_device(farm, farm.claim(first, limit=2))
    assert farm.claim(first, limit=2) == []
    assert len(farm.claim(second, limit=4)) == 2


def test_packs_of_suspects_shrink_until_each_is_alone(farm: Farm) -> None:
    farm.jobs(9)
    hand = worker(farm, "a", "GPU-1")
    sizes = []
    for _ in range(2):
        claims = farm.claim(hand, limit=9)
        sizes.append(len(claims))
        break_device(farm, claims)
    assert sizes == [9, 3]
    sizes.clear()
    while claims := farm.claim(hand, limit=9):
        sizes.append(len(claims))
        farm.succeed(claims)
    assert sizes == [1, 1, 1, 3, 3], "those of two faults, then those of one"


def test_a_job_to_be_cancelled_is_cancelled_and_a_lost_one_stays_lost(
    farm: Farm, clock: Ticker
) -> None:
    cancelled, lost = farm.jobs(2)
    claims = farm.claim(worker(farm, "a", "GPU-1"), limit=2)
    farm.store.control.cancel([cancelled])
    farm.store.completion.release([claim for claim in claims if claim.job_id == lost])
    assert break_device(farm, claims) == {cancelled: State.CANCELLED}
    assert not farm.job(lost).suspect
