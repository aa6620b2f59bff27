"""Out-of-date manifests, and the rows of a manifest."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.domain.attempts import Failed
from jobs.domain.batches import Artifact
from jobs.domain.states import Failure, State
from jobs.store.manifest import COMMIT_LAG


def test_a_batch_is_dirty_from_its_first_finished_job_on(farm, clock):
    farm.jobs(2)
    farm.jobs(1, batch="untouched")
    manifests = farm.store.manifests
    assert manifests.dirty() == []
    farm.succeed(farm.claim(farm.worker()))
    assert manifests.dirty() == [farm.store.batches.get("night")]


def test_a_manifest_is_written_until_no_commit_can_be_missing(farm, clock):
    farm.jobs(2)
    worker = farm.worker()
    farm.succeed(farm.claim(worker))
    number, manifests = farm.batch().id, farm.store.manifests

    def written() -> bool:
        return manifests.mark_manifest(farm.store.batches.get("night"), clock(), place=list)

    # Another transaction may have read the same clock and not have committed yet.
    assert written()
    assert [b.id for b in manifests.dirty()] == [number]
    clock.tick(COMMIT_LAG)
    assert written()
    assert manifests.dirty() == []
    clock.tick(100)
    farm.succeed(farm.claim(worker))
    assert [b.id for b in manifests.dirty()] == [number]
    assert farm.store.batches.get("night").manifest_at == clock() - 100


@pytest.mark.parametrize("before", [False, True])
def test_an_older_manifest_never_replaces_a_newer_one(farm, clock, before: bool):
    """Both writers read the batch before either of them was done."""
    farm.jobs(1)
    farm.succeed(farm.claim(farm.worker()))
    manifests, placed = farm.store.manifests, []
    if before:
        manifests.mark_manifest(farm.store.batches.get("night"), clock() - 50, place=list)
    old = new = farm.store.batches.get("night")
    assert manifests.mark_manifest(new, clock() + 30, place=lambda: placed.append("new"))
    assert not manifests.mark_manifest(old, clock() + 20, place=lambda: placed.append("old"))
    assert placed == ["new"]
    assert farm.store.batches.get("night").manifest_at == clock() + 30


def test_a_manifest_that_cannot_be_put_in_place_is_not_written(farm, clock):
    farm.jobs(1)
    farm.succeed(farm.claim(farm.worker()))
    batch = farm.store.batches.get("night")
    with pytest.raises(OSError):
        farm.store.manifests.mark_manifest(batch, clock(), place=Path("/no/where").stat)
    assert farm.store.manifests.dirty() == [batch]


def test_rows_are_the_finished_jobs_by_id(farm, make_job):
    farm.insert(make_job("a", seed=4), make_job("b"), make_job("c"), make_job("d"))
    farm.jobs(1, batch="other")
    worker = farm.worker()
    first, second, third, _ = farm.claim(worker, limit=4)
    farm.succeed([second])
    failed = Failed(first, Failure.INVALID, "no")
    farm.store.completion.fail([failed], backoff=lambda _: 0.0)
    farm.store.completion.cancelled([third])
    rows = list(farm.store.manifests.manifest_rows(farm.batch().id))
    assert [(r.custom_id, r.seed, r.state, r.failure) for r in rows] == [
        ("a", 4, State.FAILED, Failure.INVALID),
        ("b", 0, State.SUCCEEDED, None),
        ("c", 0, State.CANCELLED, None),
    ]
    assert (rows[1].prompt, rows[1].mode, rows[1].frames) == ("a person waves b", "full", 100)
    assert rows[1].artifacts == (Artifact("npz", f"/out/{rows[1].id}.npz", 10, "ab" * 32),)
    assert rows[0].artifacts == ()


def test_rows_of_more_than_a_page(farm, make_job):
    new = [make_job(f"c{i}", cached_from=None) for i in range(2500)]
    farm.insert(*new)
    farm.store.control.cancel(batch_id=farm.batch().id)
    numbers = [row.id for row in farm.store.manifests.manifest_rows(farm.batch().id)]
    assert len(numbers) == len(set(numbers)) == 2500
    assert numbers == sorted(numbers)
    assert list(farm.store.manifests.manifest_rows(999)) == []
