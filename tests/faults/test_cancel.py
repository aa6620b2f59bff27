"""Cancelling while workers claim: each request meets the job before, during or after its run."""

from __future__ import annotations

import random

import pytest

from jobs.domain.batches import Cancelled
from tests.faults.plant import Plant

JOBS = 120


def cancel_what_comes_next(plant: Plant) -> dict[int, Cancelled]:
    """Ask for the very jobs that workers are about to claim, four ahead of the last one taken."""
    coin = random.Random(3)
    answers: dict[int, Cancelled] = {}
    last = 0
    while last < JOBS:
        taken = plant.rows("SELECT max(id) FROM jobs WHERE attempt > 0")[0][0]
        for number in range(last + 1, min(taken + 4, JOBS) + 1):
            last = number
            if coin.random() < 0.6:
                answers[number] = plant.store.control.cancel([number])
    return answers


@pytest.mark.slow
def test_cancel_racing_claim(either: Plant) -> None:
    plant = either
    plant.environ |= {"HYMO_NULL_STEP": "0.005", "HYMO_PACK": "2"}
    plant.submit(JOBS, steps=4)
    plant.worker("a")
    plant.worker("b")
    plant.until(plant.holders, "a pack runs")
    answers = cancel_what_comes_next(plant)
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
