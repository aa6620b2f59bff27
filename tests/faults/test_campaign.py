"""The campaign that operators run: it sees broken promises, and a short one breaks none."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from benchmarks.campaign import blamed, schedule
from benchmarks.recoveries import Recovery, Span, explain
from benchmarks.triggerlog import History, install
from jobs.domain.attempts import Failed
from jobs.domain.batches import NewJob
from jobs.domain.memory import GIB
from jobs.domain.routing import Offer
from jobs.domain.spec import JobSpec
from jobs.domain.states import Failure
from jobs.domain.workers import WorkerCard
from jobs.store.store import Store

ROOT = Path(__file__).parents[2]


@pytest.fixture
def logged(store: Store) -> Engine:
    """A database with one queued job and the log."""
    install(store.engine)
    batch = store.batches.ensure("night", source="f.csv", output="/out")
    spec = JobSpec(custom_id="walk", prompt="a person walks", mode="full", steps=2, guidance=5.0)
    store.batches.insert(batch, [NewJob(spec, "full", "r1", 8)], attempt_limit=3)
    return store.engine


def move(engine: Engine, state: str, *, attempt: int, worker: int | None = None) -> None:
    lease = "1" if state == "running" else "NULL"
    with engine.begin() as connection:
        connection.execute(
            text(f"UPDATE jobs SET state = :state, attempt = :attempt, lease_until = {lease}"),
            {"state": state, "attempt": attempt},
        )


def test_a_life_as_it_should_be_breaks_nothing(logged: Engine) -> None:
    for state, attempt in (("running", 1), ("queued", 1), ("running", 2), ("succeeded", 2)):
        move(logged, state, attempt=attempt)
    assert History.read(logged).faults(1) == []
    assert History.read(logged).faults(2) == ["1 jobs instead of 2"]


@pytest.mark.parametrize(
    ("moves", "told"),
    [
        ([("running", 1)], "succeeded 0 times"),
        ([("running", 1), ("succeeded", 1), ("queued", 1)], "went from succeeded to queued"),
        (
            [("running", 1), ("succeeded", 1), ("running", 2), ("succeeded", 2)],
            "succeeded 2 times",
        ),
        ([("running", 1), ("queued", 1), ("running", 1), ("succeeded", 1)], "attempt 1 became 1"),
        ([("running", 1), ("succeeded", 2)], "attempt 1 became 2 with succeeded"),
    ],
)
def test_what_must_never_happen_is_seen(
    logged: Engine, moves: list[tuple[str, int]], told: str
) -> None:
    for state, attempt in moves:
        move(logged, state, attempt=attempt)
    assert any(told in fault for fault in History.read(logged).faults(1))


def test_a_recovery_is_taken_apart(logged: Engine) -> None:
    move(logged, "running", attempt=1)
    with logged.begin() as connection:
        connection.execute(text("UPDATE jobs SET worker_id = NULL, lease_until = 7"))
        connection.execute(text("UPDATE campaign_log SET at = id"))
    for state, attempt in (("queued", 1), ("running", 2)):
        move(logged, state, attempt=attempt)
    with logged.begin() as connection:
        connection.execute(text("UPDATE campaign_log SET at = 10 * id, worker_id = 1 WHERE id > 2"))
    assert History.read(logged).recoveries([(1, 3.0), (2, 3.0), (1, 1.0)]) == [
        Recovery(killed=3.0, leased=7.0, expired=30.0, again=40.0)
    ]


def test_recoveries_are_told_apart_by_what_else_happened() -> None:
    calm = Recovery(killed=0.0, leased=5.0, expired=6.0, again=8.0)
    late = Recovery(killed=100.0, leased=105.0, expired=120.0, again=121.0)
    spans = [Span("database-away", 110.0, 118.0), Span("clock", 8.0, 8.5), Span("kill", 0.0, 0.1)]
    found = explain([calm, late], spans)
    assert {name: figures["n"] for name, figures in found.items()} == {
        "all": 2, "no_outage": 1, "kills_only": 0, "clock": 1, "database-away": 1,
    }  # fmt: skip
    assert found["all"]["total_s"] == [21.0, 21.0]
    assert found["clock"] == {
        "n": 1, "total_s": [8.0, 8.0], "queued_s": [6.0, 6.0], "lease_ended_s": [5.0, 5.0],
        "expired_s": [1.0, 1.0], "claimed_s": [2.0, 2.0],
    }  # fmt: skip


def test_a_job_that_vanishes_is_seen(logged: Engine) -> None:
    with logged.begin() as connection:
        connection.execute(text("DELETE FROM jobs"))
    assert "job 1: went from queued to None" in History.read(logged).faults(1)


@pytest.mark.parametrize(
    ("failure", "planted", "fair"),
    [
        (Failure.LOST, {"kill"}, True),
        (Failure.LOST, {"stop", "flush"}, True),
        (Failure.LOST, {"flush"}, False),
        (Failure.ERROR, {"kill", "disk-full"}, False),
        (Failure.TIMEOUT, {"kill"}, False),
    ],
)
def test_an_attempt_that_counts_for_a_machines_fault_is_seen(
    logged: Engine, store: Store, failure: Failure, planted: set[str], fair: bool
) -> None:
    offer = Offer("w", ("full",), ("tiny",), 64 * GIB)
    card = WorkerCard(offer, "h", None, "cpu", "CPU", "float32", nvlink=False, queues=())
    worker = store.workers.register(card)
    claims = store.claims.claim(worker, offer, lease=60)
    store.completion.fail([Failed(claims[0], failure, "disk full")], backoff=lambda _: 0.0)
    assert (list(blamed(logged, planted)) == []) is fair


def test_the_same_seed_plants_the_same_faults() -> None:
    def plan(seed: int) -> Any:
        chance = random.Random(seed)
        return schedule(chance, ("kill", "flush"), jobs=100, kills=5, rounds=2)

    assert plan(1) == plan(1) != plan(2)
    assert [name for _, name in plan(1)].count("kill") == 5
    assert len(plan(1)) == 7


@pytest.mark.slow
@pytest.mark.redis
@pytest.mark.parametrize(
    "database", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
)
def test_a_short_campaign_breaks_no_promise(database: str) -> None:
    flags = ["--jobs", "80", "--workers", "2", "--kills", "3", "--rounds", "1", "--lease", "3"]
    faults = ["--faults", "kill,flush,forge,broker,clock,database-away", "--step", "0.4"]
    command = [sys.executable, "-m", "benchmarks.campaign", *flags, *faults]
    ran = subprocess.run(
        [*command, "--database", database], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    document = json.loads(ran.stdout)
    assert (document["broken"], document["faults_left"]) == (0, 0)
    assert document["attempts"]["succeeded"] == 80
    once = dict.fromkeys(("flush", "forge", "broker", "clock", "database-away"), 1)
    assert document["faults"] == {"kill": 3, **once}
