"""Looking up a job, a row, its attempts, and the known cards."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from jobs.domain.states import Outcome, State
from jobs.errors import NotFoundError
from jobs.store.motions import QUALITY
from jobs.store.store import Store

from .conftest import CARDS, World


def test_a_job_has_all_that_was_stored(world: World) -> None:
    source = next(job for job in world.jobs if job["state"] is State.SUCCEEDED)
    job = world.store.history.job(source["id"])
    assert (job.id, job.prompt, job.seed) == (source["id"], source["prompt"], source["seed"])
    assert (job.batch, job.worker, job.card) == (
        f"b{source['batch_id']}", source["worker_name"], source["card"],
    )  # fmt: skip
    assert job.duration == source["finished_at"] - source["started_at"]
    assert job.phases["queue"] == source["queue_s"]
    assert asdict(job.quality) == {name: source[name] for name in QUALITY}
    assert job.metadata == source["metadata"]
    assert job.formats == ("bvh", "npz")
    assert [file.path for file in job.artifacts] == [
        f"/out/{job.id}.bvh", f"/out/{job.id}.npz",
    ]  # fmt: skip


def test_the_attempts_of_a_job_in_order(world: World) -> None:
    for job in world.jobs:
        wanted = [row for row in world.attempts if row["job_id"] == job["id"]]
        found = world.store.history.attempts(job["id"])
        assert [each.number for each in found] == [row["number"] for row in wanted]
        assert [each.outcome for each in found] == [Outcome(row["outcome"]) for row in wanted]
        assert [each.phases["save"] for each in found] == [row["save_s"] for row in wanted]
        assert [each.quality.jitter for each in found] == [row["jitter"] for row in wanted]


def test_a_row_has_every_seed(world: World) -> None:
    pair = [job for job in world.jobs if job["custom_id"] == "r5" and job["batch_id"] == 1]
    found = world.store.history.find("b1", "r5")
    assert sorted(job.id for job in found) == sorted(job["id"] for job in pair)
    for job in pair:
        assert [each.id for each in world.store.history.find("b1", "r5", seed=job["seed"])] == [
            job["id"]
        ]
    assert world.store.history.find("b1", "nothing") == ()
    assert world.store.history.find("nothing", "r5") == ()


def test_paused_is_the_batches(world: World) -> None:
    for job in world.jobs[:40]:
        assert world.store.history.job(job["id"]).paused == (job["batch_id"] == 3)


def test_a_job_that_is_not_there(world: World, store: Store) -> None:
    with pytest.raises(NotFoundError, match="the newest is 240"):
        world.store.history.job(241)


def test_a_job_of_an_empty_database(store: Store) -> None:
    with pytest.raises(NotFoundError, match="nothing was submitted yet"):
        store.history.job(1)


def test_cards(world: World) -> None:
    assert world.store.history.cards() == tuple(sorted(CARDS))
