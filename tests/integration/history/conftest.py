"""A database with jobs and attempts of every kind, and the same rows in memory to compare."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import insert

from jobs.domain.states import Failure, State
from jobs.store.store import Store
from jobs.store.tables import artifacts, attempts, batches, jobs, workers

T0 = 1_800_000_000.0
CARDS = ("NVIDIA A10", "NVIDIA A100-SXM4-40GB", "Tesla V100-SXM2-32GB")
WORDS = ("walks", "Jumps", "50%", "a_b", "épée", "步行", "back\\slash", "turns", "waves")
JOBS = 240


@dataclass(frozen=True)
class World:
    """A store and its rows."""

    store: Store
    jobs: list[dict[str, Any]]
    attempts: list[dict[str, Any]]


def fill(store: Store, seed: int = 7) -> World:
    """Insert rows directly, without the queue: history must show any rows."""
    random_ = random.Random(seed)
    jobs_ = [_job(random_, number) for number in range(1, JOBS + 1)]
    attempts_ = [row for job in jobs_ for row in _attempts(random_, job)]
    with store.batches.write() as connection:
        connection.execute(
            insert(batches),
            [
                {"id": n, "name": f"b{n}", "source": "f.csv", "output": "/out", "created_at": T0,
                 "paused": n == 3}
                for n in (1, 2, 3)
            ],
        )  # fmt: skip
        connection.execute(insert(workers), [_worker(n) for n in range(3)])
        connection.execute(insert(jobs), jobs_)
        connection.execute(insert(attempts), attempts_)
        connection.execute(
            insert(artifacts),
            [
                {"job_id": job["id"], "format": form, "path": f"/out/{job['id']}.{form}",
                 "size": 10, "sha256": "ab" * 32, "created_at": T0}
                for job in jobs_ if job["state"] == "succeeded" for form in ("npz", "bvh")
            ],
        )  # fmt: skip
    return World(store, jobs_, attempts_)


@pytest.fixture
def world(timed: Store) -> World:
    """The same jobs on SQLite and on PostgreSQL."""
    return fill(timed)


def _job(random_: random.Random, number: int) -> dict[str, Any]:
    state = random_.choices(list(State), [3, 1, 6, 3, 1])[0]
    ran = state in {State.SUCCEEDED, State.FAILED, State.RUNNING}
    ended = state in {State.SUCCEEDED, State.FAILED, State.CANCELLED}
    worker = random_.randrange(3)
    # Deliberate ties in every column that history sorts by.
    created = T0 + (number // 7) * 10
    started = created + random_.randrange(5) * 10.0 if ran else None
    finished = (started or created) + random_.randrange(1, 6) if ended else None
    return {
        "id": number, "batch_id": random_.choice((1, 1, 2, 3)), "custom_id": f"r{number // 2}",
        "seed": number % 2, "prompt": " ".join(random_.choices(WORDS, k=3)),
        "frames": random_.choice((20, 100, 360)), "requested_mode": "auto",
        "mode": random_.choice(("full", "lite")), "steps": 50, "guidance": 5.0,
        "priority": random_.choice((-1, 0, 0, 5)), "formats": ["bvh", "npz"], "model": "null",
        "revision": "null-1", "metadata": {"actor": str(number % 3)}, "row_hash": "0",
        "content_hash": str(number), "class_gib": 24, "state": state,
        "failure": random_.choice(list(Failure)) if state is State.FAILED else None,
        "error": "boom" if state is State.FAILED else None, "attempt": int(ran),
        "attempt_limit": 3, "not_before": 0.0, "worker_id": worker + 1 if ran else None,
        "lease_until": created + 90 if state is State.RUNNING else None,
        "created_at": created, "queued_at": created, "started_at": started,
        "finished_at": finished, "card": CARDS[worker] if ran else None,
        "worker_name": f"w{worker}" if ran else None,
        "queue_s": float(random_.randrange(4)) if ran else None,
        "sample_s": float(random_.randrange(9)) if state is State.SUCCEEDED else None,
        "peak_memory_bytes": random_.choice((None, 10**9, 2 * 10**9)) if ran else None,
        **_quality(random_, measured=state is State.SUCCEEDED),
    }  # fmt: skip


def _attempts(random_: random.Random, job: dict[str, Any]) -> list[dict[str, Any]]:
    if job["started_at"] is None:
        return []
    last = {State.RUNNING: "running"}.get(job["state"], str(job["state"]))
    outcomes = [*random_.choices(("failed", "released"), k=random_.randrange(2)), last]
    ahead = [] if random_.random() < 0.6 else [random_.choice(("encoded", "encoded", "failed"))]
    return [
        {
            "job_id": job["id"], "number": n, "worker_id": job["worker_id"],
            "worker_name": job["worker_name"], "card": job["card"],
            "mode": "encode" if n <= len(ahead) else job["mode"], "pack_size": 2,
            "outcome": outcome, "failure": None, "error": None,
            "started_at": job["started_at"] + n, "finished_at": None,
            **{f"{phase}_s": _seconds(random_) for phase in
               ("queue", "load", "encode", "sample", "decode", "save")},
            "peak_memory_bytes": random_.choice((None, random_.randrange(10**10))),
            **_quality(random_, measured=True), **_run(random_, outcome),
        }
        for n, outcome in enumerate([*ahead, *outcomes], 1)
    ]  # fmt: skip


def _seconds(random_: random.Random) -> float | None:
    return random_.choice((None, round(random_.random() * 10, 3), float(random_.randrange(4))))


def _quality(random_: random.Random, *, measured: bool) -> dict[str, float | None]:
    """Quality measures, some missing and many equal; none for a job without a motion."""
    names = ("skate_mm", "penetration_mm", "jitter")
    few = (None, 0.0, 0.25, 1.5, 30.0)
    return {name: random_.choice(few) if measured else None for name in names}


def _run(random_: random.Random, outcome: str) -> dict[str, Any]:
    """How an attempt was run; unknown for failed attempts and for those of older versions."""
    names = ("dtype", "plan", "embedding", "loads", "numerics_step")
    if outcome == "encoded":
        return {**dict.fromkeys(names), "plan": "staged", "embedding": "made",
                "loads": random_.choice((0, 1, None))}  # fmt: skip
    if outcome != "succeeded" or random_.random() < 0.2:
        return dict.fromkeys(names)
    plan, embedding = random_.choice(((None, None), ("staged", "hit"), ("resident", "made")))
    again = random_.random() < 0.1
    return {
        "dtype": "float32" if again else random_.choice(("bfloat16", "float32")), "plan": plan,
        "embedding": embedding, "loads": random_.choice((0, 0, 1, 2)),
        "numerics_step": 2 if again else None,
    }  # fmt: skip


def _worker(n: int) -> dict[str, Any]:
    return {
        "id": n + 1, "name": f"w{n}", "state": "stopped", "host": "h", "device": "cuda:0",
        "card": CARDS[n], "modes": ["full"], "models": ["null"], "memory_bytes": 24 * 2**30,
        "max_frames": {}, "dtype": "float32", "queues": [], "tags": {}, "started_at": T0,
        "seen_at": T0, "pid": 100 + n,
    }  # fmt: skip
