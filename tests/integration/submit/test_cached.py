"""A job whose motion already exists succeeds at once, with its own files."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from jobs.artifacts.folder import MARK
from jobs.domain.attempts import Claim, Success, Timings
from jobs.domain.batches import Artifact
from jobs.domain.memory import GIB
from jobs.domain.routing import Offer
from jobs.domain.states import State
from jobs.store.tables import artifacts, jobs

OFFER = Offer("w", ("full", "lite"), ("tiny", "null"), 80 * GIB)


@pytest.fixture
def finish(store, register, tmp_path: Path):
    """Claims every queued job and finishes it with one file per format."""
    worker = register()

    def write(claim: Claim, name: str) -> Artifact:
        path = tmp_path / f"{claim.job_id}.{name}"
        path.write_bytes(f"{claim.job_id}{name}".encode())
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return Artifact(name, str(path), path.stat().st_size, digest)

    def make() -> None:
        while claims := store.claims.claim(worker, OFFER, limit=50, lease=60):
            done = [
                Success(claim, Timings(), None, tuple(write(claim, name) for name in claim.formats))
                for claim in claims
            ]
            assert store.completion.succeed(done, publish=lambda result: None) == {}

    return make


def stored(store, batch_id: int) -> list:
    query = select(jobs).where(jobs.c.batch_id == batch_id).order_by(jobs.c.id)
    with store.engine.connect() as connection:
        return list(connection.execute(query))


def files(store, job_id: int) -> list[tuple[str, str]]:
    query = select(artifacts).where(artifacts.c.job_id == job_id).order_by(artifacts.c.format)
    with store.engine.connect() as connection:
        return [(row.format, row.path) for row in connection.execute(query)]


def test_the_same_content_in_another_batch_is_cached(desk, finish) -> None:
    first = desk.submit(desk.write("prompt,formats\nwalks,npz;bvh\njumps,npz\n"))
    finish()
    old = stored(desk.store, first.batch.id)
    path = desk.write("prompt,id,priority,scene\nwalks,w,3,x\njumps,j,,\nhops,h,,\n", "b.csv")
    result = desk.submit(path)
    assert (result.new, result.cached, result.existing) == (1, 2, 0)
    walks, jumps, hops = stored(desk.store, result.batch.id)
    assert (walks.state, walks.cached_from) == (State.SUCCEEDED, old[0].id)
    folder = desk.settings.output / "b"
    assert files(desk.store, walks.id) == [("npz", str(folder / "w_s0.npz"))]
    source = Path(files(desk.store, old[0].id)[1][1])
    assert (folder / "w_s0.npz").samefile(source), "a link takes no space"
    source.unlink()
    assert (folder / "w_s0.npz").read_bytes() == f"{old[0].id}npz".encode()
    assert sorted(path.name for path in folder.iterdir()) == [MARK, "j_s0.npz", "w_s0.npz"]
    assert (jumps.state, jumps.cached_from) == (State.SUCCEEDED, old[1].id)
    assert (hops.state, hops.cached_from) == (State.QUEUED, None)
    # Only the remaining jobs were published and routed.
    assert [job_id for job_id, _ in desk.outbox.messages[2:]] == [hops.id]
    again = desk.submit(path)
    assert (again.new, again.cached, again.existing, again.requeued) == (0, 0, 3, 0)


@pytest.mark.parametrize(
    "row",
    ["runs,60,1,50,5,npz", "walks,61,1,50,5,npz", "walks,60,2,50,5,npz", "walks,60,1,49,5,npz",
     "walks,60,1,50,4,npz", "walks,60,1,50,5,npz;bvh"],
)  # fmt: skip
def test_other_content_or_further_formats_are_made(desk, finish, row: str) -> None:
    header = "prompt,frames,seed,steps,guidance,formats\n"
    desk.submit(desk.write(header + "walks,60,1,50,5,npz\n"))
    finish()
    result = desk.submit(desk.write(header + row + "\n", "b.csv"))
    assert (result.new, result.cached) == (1, 0)


def test_a_damaged_file_and_no_cache_make_it_again(desk, finish) -> None:
    first = desk.submit(desk.write("prompt\nwalks\n"))
    finish()
    path = desk.write("prompt\nwalks\n", "b.csv")
    assert desk.submit(path, batch="fresh", cache=False).new == 1
    (job,) = stored(desk.store, first.batch.id)
    ((_, file),) = files(desk.store, job.id)
    assert desk.submit(path, batch="kept").cached == 1
    Path(file).write_bytes(b"damaged")
    result = desk.submit(path, batch="again")
    assert (result.new, result.cached) == (1, 0)


def test_only_what_is_left_to_do_is_counted_for_auto(desk, finish) -> None:
    desk.submit(desk.write("prompt,mode\nwalks,full\n"))
    finish()
    result = desk.submit(desk.write("prompt,mode\nwalks,full\njumps,auto\n", "b.csv"))
    assert (result.cached, result.new, result.auto) == (1, 1, {"full": 1})


def test_content_that_has_not_succeeded_is_not_cached(desk) -> None:
    desk.submit(desk.write("prompt\nwalks\n"))
    assert desk.submit(desk.write("prompt\nwalks\n", "b.csv")).cached == 0


def test_another_disk_is_copied_to(desk, finish, monkeypatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    desk.submit(desk.write("prompt\nwalks\n"))
    finish()
    monkeypatch.setattr(os, "link", refuse)
    result = desk.submit(desk.write("prompt\nwalks\n", "b.csv"))
    assert (result.new, result.cached) == (0, 1)
    (job,) = stored(desk.store, result.batch.id)
    ((_, file),) = files(desk.store, job.id)
    assert Path(file).stat().st_nlink == 1
    assert Path(file).read_bytes() == b"1npz"
    assert sorted(path.name for path in Path(file).parent.iterdir()) == [MARK, "1_s0.npz"]


def test_files_that_cannot_be_had_are_made(desk, finish) -> None:
    desk.submit(desk.write("prompt\nwalks\njumps\n"))
    finish()
    path = desk.write("prompt\nwalks\njumps\n", "b.csv")
    (desk.settings.output / "file").write_text("where the batch's folder should be")
    result = desk.submit(path, batch="file")
    assert (result.new, result.cached) == (2, 0)
    # The file cannot be renamed: the chunk is rolled back and queued.
    folder = desk.settings.output / "late"
    (folder / "2_s0.npz" / "x").mkdir(parents=True)
    result = desk.submit(path, batch="late")
    assert (result.new, result.cached) == (2, 0)
    assert [job.state for job in stored(desk.store, result.batch.id)] == [State.QUEUED] * 2
    assert [path.name for path in folder.glob(".*")] == [MARK]


def test_a_changed_row_keeps_its_file(desk, finish) -> None:
    """The motion that the changed row asks for exists, but the row's job has another one."""
    desk.submit(desk.write("prompt,id\nwalks,a\njumps,b\n"))
    finish()
    desk.submit(desk.write("prompt,id\nwalks,a\n", "own.csv"))
    file = desk.settings.output / "own" / "a_s0.npz"
    assert file.read_bytes() == b"1npz"
    result = desk.submit(desk.write("prompt,id\njumps,a\n", "own.csv"))
    assert (result.changed, result.cached, result.new) == (1, 0, 0)
    assert file.read_bytes() == b"1npz"


def test_jobs_that_lost_their_files_are_queued_again(desk, finish) -> None:
    path = desk.write("prompt,id\nwalks,a\njumps,b\nhops,c\nbows,d\n")
    first = desk.submit(path)
    finish()
    _whole, gone, short, changed = stored(desk.store, first.batch.id)
    for job in (gone, changed):
        Path(files(desk.store, job.id)[0][1]).unlink()
    Path(files(desk.store, short.id)[0][1]).write_bytes(b"")
    sent = len(desk.outbox.messages)
    desk.write("prompt,id\nwalks,a\njumps,b\nhops,c\nleaps,d\n")
    again = desk.submit(path)
    assert (again.new, again.existing, again.changed, again.requeued) == (0, 3, 1, 2)
    assert [job_id for job_id, _ in desk.outbox.messages[sent:]] == [gone.id, short.id]
    now = stored(desk.store, first.batch.id)
    assert [job.state for job in now] == ["succeeded", "queued", "queued", "succeeded"]
    assert all(job.published_at is not None for job in now)
    assert desk.submit(path).requeued == 0, "they wait already"
    finish()
    assert desk.submit(path).requeued == 0


def test_a_machine_without_the_disk_calls_nothing_lost(desk, finish) -> None:
    path = desk.write("prompt\nwalks\n")
    first = desk.submit(path)
    finish()
    (job,) = stored(desk.store, first.batch.id)
    Path(files(desk.store, job.id)[0][1]).unlink()
    local = desk.settings
    shutil.rmtree(local.output)
    desk.settings = replace(local, database_url="postgresql://host/hymo")
    assert desk.submit(path).requeued == 0
    assert not local.output.exists()
    local.output.mkdir(parents=True)
    assert desk.submit(path).requeued == 1
