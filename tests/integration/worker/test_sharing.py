"""Several workers of one machine share the queue: each takes only jobs that fit."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from jobs.domain.routing import misfit
from tests.faults.plant import Plant, Running

#: The null model has the reference memory profile: Full with 100 frames is of class 24, Lite with
#: 100 frames of class 20, Lite with 20 frames of class 12.
FULL_24 = {"mode": "full", "frames": 100}
LITE_20 = {"mode": "lite", "frames": 100}
LITE_12 = {"mode": "lite", "frames": 20}


def worker(plant: Plant, name: str, *, memory: int, modes: str) -> Running:
    started = plant.start(
        name, "worker", "--device", "cpu", "--name", name, "--models", "null", "--threads", "1",
        "--memory", str(memory), "--modes", modes,
    )  # fmt: skip
    plant.ready(started)
    return started


def submit(plant: Plant, name: str, n: int, *, mode: str, frames: int, **more: int) -> Running:
    flags = {"mode": mode, "frames": frames, "steps": 2} | more
    words = [f for name_, value in flags.items() for f in (f"--{name_}", str(value))]
    started = plant.start(
        "submit", "submit", str(plant.prompts(n, name)), "--model", "null", *words
    )
    assert started.ended() == 0, started.said
    return started


def done_by(plant: Plant) -> Counter[tuple[str, str, int]]:
    """(worker, mode, class) → jobs."""
    rows = plant.rows("SELECT worker_name, mode, class_gib FROM jobs WHERE state = 'succeeded'")
    return Counter((row.worker_name, row.mode, row.class_gib) for row in rows)


def test_each_worker_takes_its_modes_and_what_fits_its_memory(either: Plant) -> None:
    plant = either
    submit(plant, "full", 12, **FULL_24)
    submit(plant, "short", 12, **LITE_12)
    worker(plant, "big", memory=64, modes="full")
    worker(plant, "small", memory=16, modes="lite")
    plant.finish(24)
    assert done_by(plant) == {("big", "full", 24): 12, ("small", "lite", 12): 12}


def test_what_is_too_large_for_one_goes_to_the_other(plant: Plant) -> None:
    worker(plant, "small", memory=16, modes="full,lite")
    worker(plant, "big", memory=24, modes="full,lite")
    submit(plant, "long", 4, **LITE_20)
    submit(plant, "full", 4, **FULL_24)
    plant.finish(8)
    assert done_by(plant) == {("big", "lite", 20): 4, ("big", "full", 24): 4}


def test_two_alike_share_the_work(plant: Plant) -> None:
    plant.environ |= {"HYMO_NULL_STEP": "0.02"}
    worker(plant, "left", memory=64, modes="full")
    worker(plant, "right", memory=64, modes="full")
    submit(plant, "full", 40, **FULL_24)
    plant.finish(40)
    shares = Counter(row.worker_name for row in plant.rows("SELECT worker_name FROM attempts"))
    assert sum(shares.values()) == 40
    assert min(shares["left"], shares["right"]) >= 5


def test_a_job_no_worker_fits_waits_and_says_why(plant: Plant) -> None:
    worker(plant, "small", memory=16, modes="full,lite")
    warned = submit(plant, "full", 2, **FULL_24)
    submit(plant, "short", 2, **LITE_12)
    reason = "no worker fits: needs 24 GiB full; largest live: 16 GiB"
    assert reason in warned.said
    plant.until_done(2)
    assert plant.counts() == {"queued": 2, "succeeded": 2}
    waiting = plant.store.history.job(plant.rows("SELECT min(id) FROM jobs")[0][0])
    assert misfit(waiting.demand, plant.store.workers.offers(alive=10)) == reason
    shown = plant.start("history", "history", "--state", "queued", "--json")
    assert shown.ended() == 0, shown.said
    document = json.loads(shown.said[shown.said.index("{") :])
    assert {job["reason"] for job in document["jobs"]} == {reason}

    worker(plant, "big", memory=24, modes="full")
    plant.finish(4)
    assert done_by(plant)["big", "full", 24] == 2


@pytest.mark.parametrize(("memory", "mode"), [(24, "full"), (20, "lite")])
def test_auto_is_full_where_a_live_worker_fits_it_and_else_lite(
    plant: Plant, memory: int, mode: str
) -> None:
    worker(plant, "one", memory=memory, modes="full,lite")
    submit(plant, "auto", 3, mode="auto", frames=100)
    plant.finish(3)
    rows = plant.rows("SELECT requested_mode, mode FROM jobs")
    assert {(row.requested_mode, row.mode) for row in rows} == {("auto", mode)}


def test_higher_priorities_go_first(plant: Plant) -> None:
    submit(plant, "low", 6, **FULL_24)
    submit(plant, "high", 6, **FULL_24, priority=5)
    submit(plant, "mid", 6, **FULL_24, priority=1)
    plant.environ |= {"HYMO_PACK": "1"}
    worker(plant, "one", memory=64, modes="full")
    plant.finish(18)
    rows = plant.rows("SELECT custom_id FROM jobs ORDER BY started_at")
    order = [row.custom_id.rstrip("0123456789") for row in rows]
    # The worker takes the job of the first message; after that the store chooses the order.
    assert order[1:] == sorted(order[1:], key=["high", "mid", "low"].index)


def test_a_worker_registers_what_it_can_do(plant: Plant) -> None:
    started = worker(plant, "small", memory=16, modes="lite")
    shown = plant.start("workers", "workers", "--json")
    assert shown.ended() == 0, shown.said
    document = json.loads(shown.said[shown.said.index("{") :])
    assert document["schema"] == "hymo.workers/1"
    (row,) = document["workers"]
    assert (row["name"], row["card"], row["pid"]) == ("small", "CPU", started.pid)
    assert row["modes"] == ["lite"]
    assert row["memory_bytes"] == 16 * 2**30
    assert row["dtype"] == "float32"
    assert row["queues"][0] == "hymo.lite.16"
    assert row["state"] == "live"
    plant.drain()
    assert [row.state for row in plant.rows("SELECT state FROM workers")] == ["stopped"]
    assert plant.store.workers.offers(alive=10) == []
