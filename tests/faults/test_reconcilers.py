"""Several reconcilers at once: each lease ends once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.domain.memory import GIB
from jobs.domain.routing import Offer
from jobs.domain.workers import WorkerCard
from tests.faults.plant import Plant

JOBS = 120
SCRIPT = Path(__file__).with_name("rounds.py")


def claim_all(plant: Plant) -> None:
    """A worker takes every job and is never heard of again."""
    offer = Offer(name="dead", modes=("full",), models=("null",), memory_bytes=64 * GIB)
    card = WorkerCard(
        offer=offer, host="gone", pid=None, device="cpu", card="CPU", dtype="float32",
        nvlink=False, queues=(),
    )  # fmt: skip
    worker_id = plant.store.workers.register(card)
    for _ in range(JOBS // 10):
        claims = plant.store.claims.claim(worker_id, offer, limit=10, lease=0.0)
        plant.store.claims.begin(claims)


def reconcile_together(plant: Plant, processes: int) -> list[int]:
    """Ids of the jobs whose lease some process ended, in any order."""
    command = [sys.executable, str(SCRIPT)]
    environ = os.environ | plant.environ
    running = [
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ, text=True
        )
        for _ in range(processes)
    ]
    try:
        for process in running:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in running:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        said = [process.communicate()[0] for process in running]
    finally:
        for process in running:
            process.kill()
            process.communicate()
    return [number for line in said for number in json.loads(line)]


@pytest.mark.slow
def test_reconcilers_at_once_end_each_lease_once(either: Plant) -> None:
    plant = either
    plant.submit(JOBS, steps=1)
    claim_all(plant)
    assert plant.counts() == {"running": JOBS}
    expired = reconcile_together(plant, 3)
    assert sorted(expired) == [row.id for row in plant.rows("SELECT id FROM jobs ORDER BY id")]
    assert plant.counts() == {"queued": JOBS}

    plant.environ |= {"HYMO_PACK": "4"}
    plant.worker("a")
    plant.finish(JOBS)
    told = plant.rows("SELECT number, outcome, count(*) FROM attempts GROUP BY 1, 2 ORDER BY 1")
    assert [tuple(row) for row in told] == [(1, "failed", JOBS), (2, "succeeded", JOBS)]
