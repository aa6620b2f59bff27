"""Workers that are killed: at random moments, and by a job that no worker survives."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from jobs.artifacts.manifest import NAME
from tests.faults.lock import locked
from tests.faults.plant import Plant

KILLS = 10
JOBS = 300


@pytest.mark.slow
def test_ten_kills_at_random_moments(either: Plant) -> None:
    plant = either
    plant.environ |= {"HYMO_NULL_STEP": "0.02", "HYMO_MAX_ATTEMPTS": "12"}
    plant.submit(JOBS)
    moments = random.Random(20)
    workers = [plant.worker("a"), plant.worker("b")]
    killed = set()

    def busy() -> list[int]:
        holders = plant.holders().values()
        return [place for place in (0, 1) if workers[place].pid in holders]

    for number in range(KILLS):
        if number % 2:
            time.sleep(moments.uniform(0.05, 0.6))
            place = moments.randrange(2)
        else:  # on a busy machine the others may all hit workers that have only just started
            place = plant.until(busy, "a worker holds jobs")[0]
        workers[place].kill()
        killed.add(workers[place].pid)
        workers[place] = plant.worker("ab"[place], ready=False)
    assert plant.counts().get("succeeded", 0) < JOBS, "the kills came too late to matter"
    plant.finish(JOBS)

    assert plant.counts() == {"succeeded": JOBS}
    lost = plant.rows(
        "SELECT a.failure, w.pid FROM attempts a JOIN workers w ON w.id = a.worker_id "
        "WHERE a.outcome = 'failed'"
    )
    assert lost, "no kill hit a worker that held jobs"
    assert {row.failure for row in lost} == {"lost"}
    assert {row.pid for row in lost} <= killed


def parts(plant: Plant) -> list[Path]:
    """Files of results that were not accepted yet."""
    return [path for path in plant.settings.output.rglob("*.part") if NAME not in path.name]


@pytest.mark.slow
def test_killed_with_files_half_way(plant: Plant) -> None:
    """What a killed attempt had written is gone in the end; the next one's files are in place."""
    plant.submit(2, model="tiny", steps=60)
    worker = plant.worker("a", model="tiny")
    plant.until(plant.holders, "the pack runs")
    # With the database locked, files are written and wait for their result to be accepted.
    with locked(plant.database_url):
        plant.until(lambda: len(parts(plant)) == 2, "both files wait")
        worker.kill()
    assert len(parts(plant)) == 2
    plant.worker("b", model="tiny")
    plant.finish(2)
    for name in ("j1", "j2"):
        told = [(one.worker_name, one.failure) for one in plant.tries(name)]
        assert told == [("a", "lost"), ("b", None)]


@pytest.mark.slow
@pytest.mark.parametrize("pack", [1, 4])
def test_a_job_that_no_worker_survives(plant: Plant, pack: int) -> None:
    """It ends as failed after its attempts; the jobs that shared a pack with it do not."""
    plant.environ |= {"HYMO_PACK": str(pack), "HYMO_LEASE": "3", "HYMO_NULL_STEP": "0.1"}
    plant.submit(1, name="killer", steps=8)
    plant.submit(5, name="other", steps=8)
    victims: list[int] = []

    def strikes() -> bool:
        """Kill whoever samples the killer; True once it is over."""
        pid = plant.holders("killer1").get("killer1")
        begun = any(one.pid == pid and one.sampling_at for one in plant.tries("killer1"))
        if begun and pid is not None and pid not in victims:
            os.kill(pid, signal.SIGKILL)
            victims.append(pid)
            plant.worker(f"w{len(victims)}", ready=False)
        return plant.job("killer1").state in {"failed", "succeeded"}

    plant.worker("w0", ready=False)
    plant.until(strikes, "the killer is over")
    plant.finish(6)

    killer = plant.job("killer1")
    assert (killer.state, killer.failure) == ("failed", "lost")
    sampled = [one for one in plant.tries("killer1") if one.sampling_at]
    assert [one.pid for one in sampled] == victims
    assert [one.failure for one in sampled] == ["lost"] * 3
    assert plant.counts() == {"failed": 1, "succeeded": 5}
