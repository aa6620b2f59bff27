"""Workers that stand still: stopped past their lease and continued, or hung in the device."""

from __future__ import annotations

import signal

import pytest

from tests.faults.plant import Plant
from worker.lifecycle import HUNG


@pytest.mark.slow
def test_stopped_past_the_lease_and_continued(either: Plant) -> None:
    """Another worker takes the jobs over; what the first one brings later is refused."""
    plant = either
    plant.environ |= {"HYMO_LEASE": "3"}
    plant.submit(2, steps=1)
    sleeper = plant.worker("a", HYMO_NULL_STEP="2")
    plant.until(lambda: len(plant.holders()) == 2, "the pack runs")
    sleeper.send(signal.SIGSTOP)
    plant.worker("b")
    plant.until_done(2)
    sleeper.send(signal.SIGCONT)
    plant.until(lambda: sleeper.said.count("its result is refused") == 2, "both were refused")
    plant.finish(2)

    for name in ("j1", "j2"):
        told = [(one.worker_name, one.outcome, one.failure) for one in plant.tries(name)]
        assert told == [("a", "failed", "lost"), ("b", "succeeded", None)]


@pytest.mark.slow
def test_stopped_while_sampling_gives_its_pack_up(plant: Plant) -> None:
    """With many steps to go the worker sees that its jobs are gone, and takes new ones."""
    plant.environ |= {"HYMO_LEASE": "3"}
    plant.submit(2, steps=100)
    sleeper = plant.worker("a", HYMO_NULL_STEP="0.2")
    plant.until(lambda: len(plant.holders()) == 2, "the pack runs")
    sleeper.send(signal.SIGSTOP)
    other = plant.worker("b")
    plant.until_done(2)
    other.send(signal.SIGTERM)
    assert other.ended() == 0
    sleeper.send(signal.SIGCONT)
    plant.submit(1, name="next", steps=1)
    plant.finish(3)

    assert [one.worker_name for one in plant.tries("j1")] == ["a", "b"]
    assert [one.worker_name for one in plant.tries("next1")] == ["a"]


@pytest.mark.slow
def test_a_device_that_hangs(plant: Plant) -> None:
    """Past its deadline the process says so and ends; another one takes the job."""
    plant.submit(1, steps=1)
    hung = plant.worker("a", HYMO_NULL_STEP="4", HYMO_STALL="1", HYMO_DEADLINE="2")
    assert hung.ended() == HUNG
    plant.worker("b")
    plant.finish(1)

    told = [(one.worker_name, one.outcome, one.failure) for one in plant.tries("j1")]
    assert told == [("a", "failed", "timeout"), ("b", "succeeded", None)]


@pytest.mark.slow
def test_a_device_that_stalls_loses_its_lease(plant: Plant) -> None:
    """No sign of progress, no renewal: a worker that works gets the job while the other hangs."""
    plant.submit(1, steps=1)
    stalled = plant.worker("a", HYMO_NULL_STEP="8", HYMO_STALL="1", HYMO_LEASE="2")
    plant.until(plant.holders, "the job runs")
    plant.worker("b")
    plant.until_done(1)
    stalled.kill()
    plant.finish(1)

    told = [(one.worker_name, one.outcome, one.failure) for one in plant.tries("j1")]
    assert told == [("a", "failed", "lost"), ("b", "succeeded", None)]
