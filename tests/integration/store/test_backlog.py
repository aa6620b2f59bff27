"""The remaining jobs of a batch, and what is ahead of them or beside."""

from __future__ import annotations

from jobs.domain.routing import Demand, TextDemand
from jobs.store.history.backlog import Ahead


def left(farm, batch="night"):
    return farm.store.backlog.left(farm.batch(batch).id)


def ahead(farm, *offers, batch="night"):
    return farm.store.backlog.ahead(farm.batch(batch).id, offers)


def test_what_is_left_by_demand_with_the_shortest_length(farm, make_job):
    farm.insert(
        make_job("a", frames=90), make_job("b", frames=40), make_job("c", frames=60, gib=12),
        make_job("d", frames=50, mode="lite"),
    )  # fmt: skip
    farm.jobs(3, batch="other")
    assert left(farm) == {
        Demand("tiny", "full", 8, 40, "r1"): 2,
        Demand("tiny", "full", 12, 60, "r1"): 1,
        Demand("tiny", "lite", 8, 50, "r1"): 1,
    }


def test_what_runs_or_has_ended_is_not_left(farm):
    farm.jobs(3)
    worker = farm.worker()
    farm.succeed(farm.claim(worker))
    farm.claim(worker)
    assert sum(left(farm).values()) == 1


def test_more_urgent_jobs_of_others_are_ahead_and_equal_ones_beside(farm):
    farm.jobs(4, batch="old")
    farm.jobs(2, batch="night", priority=1)
    farm.jobs(8, batch="young")
    farm.jobs(16, batch="urgent", priority=2)
    assert ahead(farm, farm.offer()) == Ahead(jobs=16)
    assert ahead(farm, farm.offer(), batch="old") == Ahead(jobs=18, batches=1)
    assert ahead(farm, farm.offer(), batch="urgent") == Ahead()
    assert ahead(farm) == Ahead()


def test_what_is_paused_or_does_not_fit_is_not_ahead(farm):
    farm.jobs(1, batch="paused", priority=1)
    farm.jobs(2, batch="large", gib=20, priority=1)
    farm.jobs(4, batch="small", gib=4, priority=1)
    farm.jobs(1, batch="beside", gib=20)
    farm.jobs(1)
    farm.store.batches.pause("paused")
    assert ahead(farm, farm.offer(gib=8)) == Ahead(jobs=4)
    assert ahead(farm, farm.offer(gib=8), farm.offer(gib=24)) == Ahead(jobs=6, batches=1)


def test_of_a_batch_without_queued_jobs_nothing_is_ahead(farm):
    farm.jobs(2, batch="other")
    assert ahead(farm, farm.offer()) == Ahead()
    assert left(farm) == {}


def test_what_waits_for_its_text_is_told_apart(farm):
    first, _, third = farm.jobs(3, frames=60)
    text = TextDemand(gib=20, revision="te-1")
    farm.store.encoding.park([first, third], text)
    assert left(farm) == {
        Demand("tiny", "full", 8, 60, "r1"): 1,
        Demand("tiny", "full", 8, 60, "r1", text): 2,
    }
