"""Delivery: jobs without a message, and messages that may be lost."""

from __future__ import annotations

import pytest

from jobs.domain.attempts import Failed
from jobs.domain.states import Failure


def test_new_jobs_want_a_message_until_they_have_one(farm):
    first, second = farm.jobs(2, gib=8)
    (third,) = farm.jobs(1, gib=2, mode="lite")
    wanted = [(first, "hymo.full.8"), (second, "hymo.full.8"), (third, "hymo.lite.2")]
    assert farm.store.delivery.unpublished(10) == wanted
    assert farm.store.delivery.unpublished(1) == wanted[:1]
    farm.store.delivery.mark_published([third, first])
    assert farm.store.delivery.unpublished(10) == wanted[1:2]
    farm.store.delivery.mark_published([])


def test_marking_touches_queued_jobs_alone(farm):
    first, second = farm.jobs(2)
    farm.claim(farm.worker(), job_id=first)
    farm.store.delivery.mark_published([first, second, 999])
    assert farm.job(first).published_at is None
    assert farm.job(second).published_at is not None


def test_marking_more_than_fit_one_statement(farm, make_job, clock):
    numbers = [n for n, _ in farm.insert(*[make_job(f"m{i}") for i in range(2300)]).new]
    farm.store.delivery.mark_published(numbers)
    assert farm.store.delivery.unpublished(10_000) == []
    (row,) = farm.rows("SELECT count(*) AS n, min(published_at) AS at FROM jobs")
    assert (row.n, row.at) == (2300, clock())


@pytest.mark.parametrize("way", ["fail", "release", "expire", "retry"])
def test_a_job_back_in_the_queue_wants_a_new_message(farm, clock, way):
    (number,) = farm.jobs(1)
    delivery = farm.store.delivery
    delivery.mark_published([number])
    (claim,) = farm.claim(farm.worker(), lease=10)
    assert delivery.unpublished() == []
    if way == "fail":
        farm.store.completion.fail([Failed(claim, Failure.ERROR, "x")], backoff=lambda _: 20.0)
    elif way == "release":
        farm.store.completion.release([claim])
    elif way == "expire":
        clock.tick(11)
        farm.store.leases.expire(backoff=lambda _: 20.0)
    else:
        farm.store.completion.cancelled([claim])
        farm.store.control.retry([number], max_attempts=1)
    if way in {"fail", "expire"}:
        assert delivery.unpublished() == []
        assert delivery.waiting() == {}
        clock.tick(20)
    assert [n for n, _ in delivery.unpublished()] == [number]


def test_waiting_counts_what_could_run_now(farm):
    farm.jobs(3, gib=8)
    farm.jobs(2, gib=4, mode="lite")
    farm.jobs(1, gib=8, batch="held")
    farm.store.batches.pause("held")
    farm.claim(farm.worker(gib=8))
    assert farm.store.delivery.waiting() == {"hymo.full.8": 2, "hymo.lite.4": 2}


def test_oldest_names_messages_that_may_be_lost(farm, clock):
    taken, first, second, third = farm.jobs(4, gib=8)
    (other,) = farm.jobs(1, gib=4)
    delivery = farm.store.delivery
    delivery.mark_published([second, taken, other])
    clock.tick(10)
    delivery.mark_published([first])
    farm.claim(farm.worker())
    clock.tick(10)
    assert delivery.oldest("hymo.full.8", 9, older_than=30) == []
    assert delivery.oldest("hymo.full.8", 9, older_than=15) == [second]
    assert delivery.oldest("hymo.full.8", 9, older_than=5) == [second, first]
    assert delivery.oldest("hymo.full.8", 1, older_than=5) == [second]
    assert delivery.oldest("hymo.full.4", 9, older_than=5) == [other]
    # A job that was never published is in `unpublished` instead.
    assert [n for n, _ in delivery.unpublished()] == [third]
