"""Cancelling while workers claim: each request meets the job before, during or after its run."""

from __future__ import annotations

import contextlib
import random

import pytest

from jobs.delivery.publisher import Publisher
from jobs.domain.batches import Cancelled
from jobs.domain.routing import demand
from tests.conftest import RedisServer
from tests.faults.plant import Plant

JOBS = 120
#: Of every job here.
QUEUE = demand("null", "full", 20).queue


def cancel_around_claims(plant: Plant) -> dict[int, Cancelled]:
    """Send a message for every second job, which takes the next one along, and ask for most of
    them: before their message, right behind it, or when a worker has them."""
    coin = random.Random(3)
    answers: dict[int, Cancelled] = {}

    def claimed(number: int) -> bool:
        return plant.rows("SELECT attempt FROM jobs WHERE id = :id", id=number)[0][0] > 0

    with contextlib.closing(Publisher(plant.settings)) as publisher:
        for head in range(1, JOBS + 1, 2):
            moment = coin.choice(("before", "behind", "claimed"))
            asked = [number for number in (head, head + 1) if coin.random() < 0.6]
            if moment != "before":
                publisher.publish([(head, QUEUE)])
            if moment == "claimed":
                plant.until(lambda head=head: claimed(head), "it is claimed")
            answers |= {number: plant.store.control.cancel([number]) for number in asked}
        left = plant.rows("SELECT id FROM jobs WHERE state = 'queued'")
        publisher.publish([(row.id, QUEUE) for row in left])
    return answers


@pytest.mark.slow
def test_cancel_racing_claim(either: Plant, own_redis: RedisServer) -> None:
    plant = either
    # A message takes one pack, and there is none but ours: the workers keep pace with the requests.
    plant.environ |= {"HYMO_CLAIM": "0", "HYMO_RECONCILE": "1000", "HYMO_PACK": "2"}
    plant.environ |= {"HYMO_NULL_STEP": "0.005"}
    plant.submit(JOBS, steps=20)
    with contextlib.closing(own_redis.client()) as client:
        client.flushall()
    plant.worker("a")
    plant.worker("b")
    answers = cancel_around_claims(plant)
    plant.finish(JOBS)

    jobs = {row.id: row for row in plant.rows("SELECT * FROM jobs")}
    for number, answer in answers.items():
        assert answer.stopped + answer.asked + answer.finished == 1
        if answer.stopped:
            assert jobs[number].state == "cancelled"
            assert jobs[number].attempt == 0
        elif answer.finished:
            assert jobs[number].state == "succeeded"
        else:
            assert jobs[number].state in {"cancelled", "succeeded"}
    assert {jobs[number].state for number in jobs.keys() - answers.keys()} == {"succeeded"}
    assert any(answer.stopped for answer in answers.values()), "no request met a queued job"
    assert any(answer.asked for answer in answers.values()), "no request met a running job"


@pytest.mark.slow
def test_cancel_of_a_running_pack(plant: Plant) -> None:
    """A worker stops a job that was cancelled at its next look, and goes on with its company."""
    plant.submit(2, steps=40)
    plant.worker("a", HYMO_NULL_STEP="0.1")
    plant.until(lambda: len(plant.holders()) == 2, "the pack runs")
    assert plant.store.control.cancel([plant.job("j1").id]).asked == 1
    plant.until(lambda: plant.job("j1").state == "cancelled", "the first is cancelled")
    assert plant.job("j2").state == "running"
    plant.finish(2)
    assert [one.outcome for one in plant.tries("j1")] == ["cancelled"]
    assert [one.outcome for one in plant.tries("j2")] == ["succeeded"]


def test_cancel_of_a_job_whose_worker_is_dead(plant: Plant) -> None:
    """The request outlives the worker: the job ends as cancelled when its lease runs out."""
    plant.environ |= {"HYMO_LEASE": "3"}
    plant.submit(1, steps=40)
    worker = plant.worker("a", HYMO_NULL_STEP="1")
    plant.until(plant.holders, "the job runs")
    worker.kill()
    assert plant.store.control.cancel([plant.job("j1").id]).asked == 1
    plant.worker("b")
    plant.finish(1)
    assert plant.counts() == {"cancelled": 1}
    assert [(one.outcome, one.failure) for one in plant.tries("j1")] == [("failed", "lost")]
