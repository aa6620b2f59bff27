"""Batches: creating, inserting chunks, pausing and resuming, existing jobs."""

from __future__ import annotations

import threading

import pytest

from jobs.domain.batches import Artifact, Inserted
from jobs.domain.states import State
from jobs.errors import NotFoundError
from jobs.store.store import Store


def test_ensure_makes_once_and_then_finds(farm, clock):
    made = farm.store.batches.ensure("night", source="a.csv", output="/out")
    assert (made.name, made.source, made.output) == ("night", "a.csv", "/out")
    assert (made.paused, made.created_at, made.manifest_at) == (False, clock(), None)
    clock.tick(5)
    again = farm.store.batches.ensure("night", source="b.csv", output="/elsewhere")
    assert again == made == farm.store.batches.get("night")


def test_ensure_by_several_at_once_makes_one(database_url):
    found = []
    start = threading.Barrier(6)

    def ensure():
        with Store.open(database_url) as store:
            start.wait()
            found.append(store.batches.ensure("night", source="s", output="/o").id)

    threads = [threading.Thread(target=ensure) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    assert len(set(found)) == 1


def test_an_unknown_batch_names_those_spelt_alike(farm):
    for name in ("night-1", "night-2", "walks"):
        farm.batch(name)
    with pytest.raises(NotFoundError, match=r"night-[12]") as caught:
        farm.store.batches.get("nihgt-1")
    assert "walks" not in str(caught.value)
    assert caught.value.exit_code == 3
    with pytest.raises(NotFoundError, match="existing batches include walks, night-2, night-1"):
        farm.store.batches.pause("zzz")
    with pytest.raises(NotFoundError):
        farm.store.batches.resume("zzz")


def test_an_unknown_batch_in_an_empty_database(farm):
    with pytest.raises(NotFoundError, match="nothing was submitted yet"):
        farm.store.batches.get("night")


def test_list_is_newest_first(farm):
    for name in "abc":
        farm.batch(name)
    assert [b.name for b in farm.store.batches.list()] == ["c", "b", "a"]
    assert [b.name for b in farm.store.batches.list(1)] == ["c"]


def test_insert_keeps_all_that_was_asked(farm, clock, make_job):
    new = make_job("x", gib=12, revision="r9", prompt="läuft", frames=42, seed=2**32 - 1,
                   mode="lite", steps=9, guidance=0.5, priority=-3, formats=("bvh", "npz"),
                   model="null", metadata={"take": "3", "ünï": "☃"})  # fmt: skip
    ((number, queue),) = farm.insert(new, limit=7).new
    assert queue == "hymo.lite.12"
    row = farm.job(number)
    assert (row.custom_id, row.prompt, row.frames, row.seed) == ("x", "läuft", 42, 2**32 - 1)
    assert (row.requested_mode, row.mode, row.steps, row.guidance) == ("lite", "lite", 9, 0.5)
    assert (row.priority, row.model, row.revision, row.class_gib) == (-3, "null", "r9", 12)
    assert (row.row_hash, row.content_hash) == (
        new.spec.row_hash(),
        new.spec.content_hash("lite", "r9"),
    )
    assert (row.state, row.attempt, row.attempt_limit) == ("queued", 0, 7)
    assert row.created_at == row.queued_at == clock()
    assert (row.published_at, row.finished_at, row.cached_from, row.load_s) == (None,) * 4
    (claim,) = farm.claim(farm.worker())
    assert claim.formats == ("bvh", "npz")
    farm.succeed([claim])
    (finished,) = farm.store.manifests.manifest_rows(farm.batch().id)
    assert finished.metadata == {"take": "3", "ünï": "☃"}


def test_ids_follow_the_order_of_the_file(farm, make_job):
    new = [make_job(f"{(i * 7919) % 1000:03}") for i in range(1000)]
    numbers = [number for number, _ in farm.insert(*new).new]
    assert numbers == sorted(numbers)
    names = farm.rows("SELECT custom_id FROM jobs ORDER BY id")
    assert [row.custom_id for row in names] == [job.spec.custom_id for job in new]


def test_inserting_again_adds_nothing_and_tells_what_changed(farm, make_job):
    farm.insert(make_job("a"), make_job("b"), make_job("b", seed=1))
    again = farm.insert(
        make_job("a"), make_job("b", prompt="other"), make_job("b", seed=1), make_job("c")
    )
    assert len(again.new) == 1
    assert (again.cached, again.existing, again.changed) == (0, 2, (("b", 0),))
    assert len(farm.rows("SELECT id FROM jobs")) == 4
    (row,) = farm.rows("SELECT prompt FROM jobs WHERE custom_id = 'b' AND seed = 0")
    assert row.prompt == "a person waves b"


def test_insert_of_nothing(farm):
    assert farm.insert() == Inserted(new=(), cached=0, existing=0, changed=())


def test_a_batch_is_its_own_name_space(farm, make_job):
    assert farm.insert(make_job("a"), batch="one").new
    assert farm.insert(make_job("a"), batch="two").new


def test_two_submits_of_the_same_file_at_once_make_one_job_a_row(database_url, make_job):
    chunks = [[make_job(f"{c}-{i}") for i in range(50)] for c in range(8)]
    results: list[Inserted] = []
    start = threading.Barrier(3)

    def submit():
        with Store.open(database_url) as store:
            batch = store.batches.ensure("night", source="s", output="/o")
            start.wait()
            results.extend(store.batches.insert(batch, c, attempt_limit=1) for c in chunks)

    threads = [threading.Thread(target=submit) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    numbers = [number for result in results for number, _ in result.new]
    assert len(numbers) == len(set(numbers)) == 400
    assert sum(result.existing for result in results) == 800
    assert all(result.changed == () for result in results)


def test_a_cached_job_succeeds_at_once_and_points_at_the_files(farm, clock, make_job):
    (first,) = farm.jobs(1)
    farm.succeed(farm.claim(farm.worker()))
    clock.tick(100)
    file = Artifact("npz", "/out/1.npz", 10, "ab" * 32)
    result = farm.insert(
        make_job("hit", cached_from=first, artifacts=(file,)), make_job("miss"), batch="later"
    )
    assert (len(result.new), result.cached, result.existing) == (1, 1, 0)
    (row,) = farm.rows("SELECT * FROM jobs WHERE custom_id = 'hit'")
    assert (row.state, row.cached_from, row.attempt) == ("succeeded", first, 0)
    assert row.finished_at == row.created_at == clock()
    assert (row.queue_s, row.load_s, row.sample_s, row.save_s) == (0, 0, 0, 0)
    assert farm.files(row.id) == ["/out/1.npz"]
    again = farm.insert(make_job("hit", cached_from=first, artifacts=(file,)), batch="later")
    assert (again.cached, again.existing) == (0, 1)
    assert farm.files(row.id) == ["/out/1.npz"]


def test_content_finds_the_newest_success(farm, make_job):
    worker = farm.worker()
    new = make_job("a", prompt="the same")
    digest = new.spec.content_hash("full", "r1")
    (first,) = [n for n, _ in farm.insert(new, batch="one").new]
    assert farm.store.batches.content([digest]) == {}
    farm.succeed(farm.claim(worker))
    (second,) = [n for n, _ in farm.insert(new, batch="two").new]
    assert farm.store.batches.content([digest, digest, "unknown"])[digest][0] == first
    farm.succeed(farm.claim(worker))
    found = farm.store.batches.content([digest])
    assert found[digest][0] == second
    assert [file.path for file in found[digest][1]] == [f"/out/{second}.npz"]
    assert farm.store.batches.content([]) == {}


def test_content_of_more_hashes_than_fit_one_statement(farm, make_job):
    new = make_job("a")
    farm.insert(new)
    farm.succeed(farm.claim(farm.worker()))
    digest = new.spec.content_hash("full", "r1")
    found = farm.store.batches.content([f"{i:032x}" for i in range(2500)] + [digest])
    assert list(found) == [digest]


def test_counts(farm):
    farm.jobs(3)
    farm.jobs(2, batch="other")
    farm.succeed(farm.claim(farm.worker(), limit=1))
    counts = farm.store.batches.counts(farm.batch().id)
    assert counts == {State.QUEUED: 2, State.SUCCEEDED: 1}
    assert farm.store.batches.counts(999) == {}


def test_resume_publishes_queued_jobs_again(farm):
    numbers = farm.jobs(3)
    farm.store.delivery.mark_published(numbers)
    farm.claim(farm.worker(), job_id=numbers[0])
    assert farm.store.batches.pause("night").paused
    assert farm.store.delivery.unpublished() == []
    assert not farm.store.batches.resume("night").paused
    assert [n for n, _ in farm.store.delivery.unpublished()] == numbers[1:]
    assert farm.job(numbers[0]).published_at is not None


def test_unfinished_batches_have_jobs_to_run_or_none_yet(farm) -> None:
    store = farm.store
    assert store.batches.unfinished() == (0, [])
    for name in ("queued", "running", "over"):
        farm.jobs(1, batch=name)
    empty = store.batches.ensure("empty", source="f", output="/out")
    store.control.cancel(batch_id=store.batches.get("over").id)
    store.batches.pause("queued")
    farm.claim(farm.worker())
    newest, found = store.batches.unfinished()
    assert newest == empty.id
    assert [batch.name for batch in found] == ["queued", "running", "empty"]
    assert store.batches.unfinished(after=newest) == (newest, [])
    assert [batch.name for batch in store.batches.unfinished(after=found[1].id)[1]] == ["empty"]


def test_the_first_token_is_the_batchs(store) -> None:
    new = store.batches.ensure("new", source="f", output="/out", token="")
    old = store.batches.ensure("old", source="f", output="/out")
    assert store.batches.adopt(new.id, "a") == "a"
    assert store.batches.adopt(new.id, "b") == "a"
    assert store.batches.get("new").token == "a"
    assert store.batches.adopt(old.id, "a") is None, "it is not checked"
    assert store.batches.ensure("new", source="g", output="/x", token="").token == "a"
