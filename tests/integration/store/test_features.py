"""Features of motions: stored with a success, read by card and mode, on both databases."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jobs.domain.attempts import Failed, Features
from jobs.domain.states import Failure, State
from jobs.store.history.stats import AttemptFilter


def one(number: int) -> Features:
    """Features whose blob has every byte."""
    return Features("r1", number, bytes(range(256)) + bytes([number]))


@pytest.fixture
def make(farm, finish):
    """Finishes a queued job on a card, with features."""

    def ended(number: int, features: Features | None, *, card: str = "A10") -> None:
        offer = farm.offer(card)
        worker = farm.store.workers.register(farm.card(offer, card=card))
        (claim,) = farm.store.claims.claim(worker, offer, job_id=number, lease=60.0)
        result = replace(finish(claim), features=features)
        assert farm.store.completion.succeed([result], publish=lambda _: None) == {}

    return ended


def newest(farm, card="A10", mode="full", limit=10, **wanted):
    return farm.store.features.newest(card, mode, AttemptFilter(**wanted), limit=limit)


def test_newest_first_by_card_and_mode(farm, make):
    full = farm.jobs(4)
    (lite,) = farm.jobs(1, mode="lite")
    for number in full[:3]:
        make(number, one(number))
    make(full[3], one(99), card="V100")
    make(lite, one(77))
    assert newest(farm) == tuple(one(number) for number in reversed(full[:3]))
    assert newest(farm, limit=2) == (one(full[2]), one(full[1]))
    assert newest(farm, "V100") == (one(99),)
    assert newest(farm, mode="lite") == (one(77),)
    assert newest(farm, "H100") == ()


def test_every_filter_of_stats(farm, make, clock):
    (early,) = farm.jobs(1)
    make(early, one(1))
    clock.tick(100)
    (late,) = farm.jobs(1, batch="other")
    make(late, one(2))
    assert newest(farm, batch_id=farm.batch("other").id) == (one(2),)
    assert newest(farm, since=clock()) == (one(2),)
    assert newest(farm, until=clock()) == (one(1),)
    assert newest(farm, workers=("nobody",)) == ()
    assert newest(farm, modes=("lite",)) == ()


def test_nothing_is_kept_where_nothing_was_measured(farm, make):
    first, second = farm.jobs(2)
    make(first, None)
    make(second, one(5))
    assert newest(farm) == (one(5),)


def test_a_job_made_again_counts_for_the_card_that_made_it_last(farm, make):
    (number,) = farm.jobs(1)
    make(number, one(1))
    farm.store.control.retry([number], states={State.SUCCEEDED}, max_attempts=3, force=True)
    assert newest(farm) == (), "the motion is gone"
    offer = farm.offer("w")
    worker = farm.store.workers.register(farm.card(offer))
    (claim,) = farm.store.claims.claim(worker, offer, job_id=number, lease=60.0)
    farm.store.completion.fail([Failed(claim, Failure.ERROR, "x")], backoff=lambda _: 0.0)
    make(number, one(2), card="V100")
    assert newest(farm) == ()
    assert newest(farm, "V100") == (one(2),)


def test_a_motion_that_is_shared_counts_once(farm, make, make_job):
    (number,) = farm.jobs(1)
    make(number, one(1))
    farm.insert(make_job("again", cached_from=number), batch="later")
    assert newest(farm) == (one(1),)
    assert newest(farm, batch_id=farm.batch("later").id) == ()


def test_a_refused_result_leaves_nothing(farm, finish):
    (number,) = farm.jobs(1)
    (claim,) = farm.claim(farm.worker())

    def full(_):
        raise OSError(28, "No space left on device")

    result = replace(finish(claim), features=one(1))
    assert list(farm.store.completion.succeed([result], publish=full)) == [number]
    assert farm.rows("SELECT * FROM motion_features") == []
