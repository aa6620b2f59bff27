"""Workers that are killed: at random moments, and by a job that no worker survives."""

from __future__ import annotations

import random
import time

import pytest

from tests.faults.plant import Plant

KILLS = 10
JOBS = 300


@pytest.mark.slow
def test_ten_kills_at_random_moments(either: Plant) -> None:
    plant = either
    plant.environ |= {"HYMO_NULL_STEP": "0.03", "HYMO_MAX_ATTEMPTS": "12"}
    plant.submit(JOBS)
    moments = random.Random(20)
    workers = [plant.worker("a"), plant.worker("b")]
    killed = set()
    for _ in range(KILLS):
        time.sleep(moments.uniform(0.05, 0.6))
        place = moments.randrange(2)
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
