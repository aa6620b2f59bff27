"""The mark of a batch's folder: where a submit lays it, and where it creates the output folder."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from jobs.artifacts.folder import MARK, look
from jobs.artifacts.manifest import manifest_path, write_manifest
from jobs.artifacts.mark import lay, see
from jobs.artifacts.temporary import temporary_path
from jobs.domain.states import State

ELSEWHERE = "postgresql://host/hymo"


def night(desk, output: Path, **options: object):
    """Submit a file that asks for this output folder; its batch as it is then."""
    desk.settings = replace(desk.settings, output=output)
    desk.submit(desk.write("prompt\nwalks\n", "night.csv"), **options)
    return desk.store.batches.get("night")


def test_a_script_on_one_machine_may_name_a_new_output_folder(desk, tmp_path: Path) -> None:
    batch = night(desk, tmp_path / "runs" / "of" / "today")
    assert batch.token
    assert look(batch.folder, batch.token).fault is None


@pytest.mark.parametrize(
    ("output", "created"),
    [("home/output", True), ("new", True), ("no/such/share", False)],
)
def test_elsewhere_an_output_folder_is_created_only_where_no_share_is_meant(
    desk, tmp_path: Path, output: str, created: bool
) -> None:
    desk.settings = replace(desk.settings, database_url=ELSEWHERE, home=tmp_path / "home")
    batch = night(desk, tmp_path / output)
    assert (tmp_path / output).is_dir() is created
    # The first worker that has the folder lays the mark instead.
    assert bool(batch.token) is created
    assert see(desk.store, batch) is created


def test_a_laid_mark_is_no_reason_to_create_the_folder_elsewhere(desk, tmp_path: Path) -> None:
    """This machine does not mount the share on which another one has the batch."""
    batch = night(desk, tmp_path / "share")
    shutil.rmtree(tmp_path / "share")
    desk.settings = replace(desk.settings, database_url=ELSEWHERE)
    assert night(desk, tmp_path / "share") == batch
    assert not (tmp_path / "share").exists()


@pytest.mark.parametrize("what", ["night", ""])
def test_a_folder_that_was_deleted_is_the_batchs_again(desk, tmp_path: Path, what: str) -> None:
    output = tmp_path / "output"
    batch = night(desk, output)
    shutil.rmtree(output / what)
    assert not see(desk.store, batch), "to a worker it is gone"
    assert night(desk, output) == batch
    assert see(desk.store, batch)


def test_a_batch_of_before_stays_unchecked(desk, tmp_path: Path) -> None:
    old = desk.store.batches.ensure(
        "night", source=str(desk.folder / "night.csv"), output=str(tmp_path / "old")
    )
    assert night(desk, tmp_path / "old").token is None
    assert lay(desk.store, old, desk.settings).fault is None
    assert not (tmp_path / "old").exists()


def test_motions_are_not_copied_to_a_folder_that_is_not_there(desk, tmp_path: Path) -> None:
    """The mount point is a file, so that nothing can be created."""
    (tmp_path / "share").write_text("not a folder")
    batch = night(desk, tmp_path / "share")
    assert batch.token == ""
    assert desk.store.batches.counts(batch.id) == {State.QUEUED: 1}


def test_only_a_process_that_sees_the_mark_writes_the_manifest(desk, tmp_path: Path) -> None:
    output = tmp_path / "output"
    batch = night(desk, output)
    desk.store.control.cancel(batch_id=batch.id)
    (output / "night").rename(tmp_path / "away")
    (output / "night").mkdir()
    assert not write_manifest(desk.store, batch)
    assert list((output / "night").iterdir()) == []
    (output / "night").rmdir()
    (tmp_path / "away").rename(output / "night")
    assert write_manifest(desk.store, batch)
    assert sorted(path.name for path in (output / "night").iterdir()) == [
        MARK, manifest_path(batch).name,
    ]  # fmt: skip


def test_a_manifest_sweeps_what_writers_of_before_left(desk, tmp_path: Path) -> None:
    """A writer that was killed leaves its file, which nobody else may write the last time."""
    batch = night(desk, tmp_path / "output")
    desk.store.control.cancel(batch_id=batch.id)
    left = temporary_path(manifest_path(batch))
    left.write_text("half a li")
    other = temporary_path(batch.folder / "preview.png")
    other.write_text("somebody's")
    assert write_manifest(desk.store, batch)
    assert not left.exists()
    assert other.exists()
    left.write_text("of a writer that may be ahead of this one")
    assert not write_manifest(desk.store, batch), "it was written since the batch was read"
    assert left.exists()


def test_nothing_is_created_outside_of_the_roots(desk, tmp_path: Path) -> None:
    roots = (tmp_path / "root",)
    desk.settings = replace(desk.settings, output_roots=roots)
    batch = night(desk, tmp_path / "elsewhere")
    assert not (tmp_path / "elsewhere").exists()
    desk.settings = replace(desk.settings, output_roots=())
    assert lay(desk.store, batch, desk.settings).fault is None
    batch = desk.store.batches.get("night")
    assert not write_manifest(desk.store, batch, roots)
    assert write_manifest(desk.store, batch, [tmp_path])
