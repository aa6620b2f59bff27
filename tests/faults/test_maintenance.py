"""Maintenance by one, with real workers: who does it, who takes over, what the clock may do."""

from __future__ import annotations

import contextlib
import signal

import pytest
from sqlalchemy import text

from jobs.domain.routing import demand
from tests.conftest import RedisServer
from tests.faults.plant import Plant, Running

QUEUE = demand("null", "full", 20).queue
HOUR = 3600.0


def holder(plant: Plant) -> str | None:
    """The process that reconciles."""
    found = [row.holder for row in plant.rows("SELECT holder FROM duties")]
    assert len(found) <= 1
    return found[0] if found else None


def set_back(plant: Plant) -> None:
    """What a clock that is set back an hour does: every time in the database lies ahead."""
    times = {
        "jobs": ("lease_until", "leased_at", "queued_at", "not_before", "published_at"),
        "workers": ("seen_at",),
        "duties": ("held_at", "until"),
    }
    with plant.store.engine.begin() as connection:
        for table, columns in times.items():
            ahead = ", ".join(f"{column} = {column} + {HOUR}" for column in columns)
            connection.execute(text(f"UPDATE {table} SET {ahead}"))


@pytest.mark.slow
def test_one_process_reconciles_and_another_takes_over(either: Plant) -> None:
    plant = either
    first = plant.worker("a")
    one = plant.until(lambda: holder(plant), "a reconciles")
    second = plant.worker("b")
    first.kill()
    plant.until(lambda: holder(plant) != one, "b took over")
    other = holder(plant)
    plant.worker("c")
    second.send(signal.SIGTERM)
    assert second.ended() == 0
    assert holder(plant) != other, "b left its duty at its end"
    plant.until(lambda: holder(plant), "c reconciles")
    plant.drain()
    assert holder(plant) is None


@pytest.mark.slow
def test_the_holder_and_its_jobs_are_lost_together(plant: Plant) -> None:
    """Its leases and its duty end at about the same time; nothing waits for a round in between."""
    plant.environ |= {"HYMO_RECONCILE": "60", "HYMO_LEASE": "6"}
    first = plant.worker("a", HYMO_NULL_STEP="5")
    plant.until(lambda: holder(plant), "a reconciles")
    plant.submit(2, steps=50)
    plant.until(lambda: len(plant.holders()) == 2, "a pack runs")
    plant.worker("b")
    first.kill()
    plant.until(lambda: plant.counts().get("succeeded") == 2, "b ran them")
    lost, again = plant.tries("j1")
    assert (lost.failure, again.worker_name) == ("lost", "b")
    assert again.started_at - lost.finished_at < 30, "b waited for its own next round"
    plant.finish(2)


@pytest.mark.slow
def test_a_holder_killed_after_a_worker_costs_its_jobs_no_second_lease(plant: Plant) -> None:
    plant.environ |= {"HYMO_LEASE": "20", "HYMO_NULL_STEP": "5"}
    first = plant.worker("a")
    plant.until(lambda: holder(plant), "a reconciles")
    plant.submit(2, steps=50)
    plant.until(lambda: len(plant.holders()) == 2, "a holds a pack")
    second = plant.worker("b")
    plant.submit(1, steps=50, name="late")
    plant.until(lambda: second.pid in plant.holders().values(), "b holds a job")
    second.kill()
    end = plant.job("late1").lease_until
    plant.worker("c", HYMO_NULL_STEP="0.01")
    plant.until(lambda: plant.store.time() > end - 3, "its lease has nearly ended")
    first.kill()
    plant.until(lambda: len(plant.tries("late1")) == 2, "c runs it")
    lost, again = plant.tries("late1")
    assert (lost.failure, again.worker_name) == ("lost", "c")
    assert lost.finished_at - end < 12, "c waited for the end of the duty"


@pytest.mark.slow
def test_a_clock_set_back_an_hour_holds_nothing(either: Plant) -> None:
    """The jobs of a dead worker are tried again, a living one keeps its own, a retry is taken."""
    plant = either
    plant.submit(4, steps=40)
    dead = plant.worker("a", HYMO_NULL_STEP="0.2")
    alive = plant.worker("b", HYMO_NULL_STEP="0.2")
    plant.until(lambda: len(set(plant.holders().values())) == 2, "both hold jobs")
    kept = [name for name, pid in plant.holders().items() if pid == alive.pid]
    dead.kill()
    set_back(plant)
    plant.finish(4)
    assert plant.counts() == {"succeeded": 4}
    for name in kept:
        assert [(one.worker_name, one.failure) for one in plant.tries(name)] == [("b", None)]


def swept(worker: Running) -> bool:
    return "messages of jobs that are not queued any more removed" in worker.said


@pytest.mark.slow
def test_messages_of_a_pack_are_removed_together(either: Plant, own_redis: RedisServer) -> None:
    plant = either
    plant.environ |= {"HYMO_PACK": "64", "HYMO_RECONCILE": "5"}
    plant.submit(1000, steps=1)
    worker = plant.worker("a")
    plant.until_done(1000)
    plant.until(lambda: swept(worker), "the queue is swept")
    plant.submit(3, steps=1, name="new")
    with contextlib.closing(own_redis.client()) as client:
        plant.until(lambda: client.llen(QUEUE) == 0, "no message is left")
        plant.finish(1003)
        assert not client.keys(), "a worker keeps nothing in the broker"


@pytest.mark.slow
def test_healthy_jobs_do_not_wait_for_suspects(either: Plant) -> None:
    """One of two workers dies with a pack: the other jobs go on before all of it was tried."""
    plant = either
    plant.environ |= {"HYMO_PACK": "8", "HYMO_NULL_STEP": "0.05"}
    plant.submit(200, steps=10)
    first = plant.worker("a")
    plant.worker("b")
    plant.until(lambda: first.pid in plant.holders().values(), "a holds a pack")
    first.kill()
    plant.worker("c")
    plant.finish(200)
    told = plant.rows("SELECT * FROM attempts WHERE failure = 'lost'")
    noticed = max(row.finished_at for row in told)
    tried = [row.started_at for row in plant.rows("SELECT * FROM attempts WHERE number = 2")]
    others = [
        row.started_at
        for row in plant.rows("SELECT * FROM attempts WHERE number = 1")
        if noticed < row.started_at < max(tried)
    ]
    assert others, "no healthy job was claimed until the last suspect was"
