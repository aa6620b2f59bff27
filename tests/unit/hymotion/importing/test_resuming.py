"""Imports that were cut go on, and a full disk leaves nothing half installed."""

import errno
import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

import hymotion
from hymotion.importing import Imported, Importer, Wanted
from hymotion.importing.errors import RoomError
from hymotion.importing.stream import write_pieces
from tests.unit.hymotion.importing.sources import (
    RELEASE,
    everything,
    model,
    tree,
)

NOW = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)


class CutError(Exception):
    """Stands for whatever ends a process."""


@pytest.fixture
def importer(tmp_path: Path) -> Importer:
    return Importer(models=tmp_path / "home" / "models", release=RELEASE, now=lambda: NOW)


def install(importer: Importer, wanted: Wanted) -> Imported:
    return importer.run(importer.plan(wanted))


@pytest.mark.parametrize("pieces", [1, 2, 3, 4, 8, 12, 16])
def test_an_import_that_was_cut_goes_on(importer: Importer, tmp_path: Path, pieces: int) -> None:
    wanted = everything(tmp_path)
    told: list[int] = []

    def cut(done: int) -> None:
        told.append(done)
        if len(told) == pieces:
            raise CutError

    with pytest.raises(CutError):
        importer.run(importer.plan(wanted), on_bytes=cut)
    if (importer.folder / "model.json").exists():
        assert json.loads((importer.folder / "model.json").read_text())["text"] is None
    done = install(importer, wanted)
    whole = Importer(models=tmp_path / "whole", release=RELEASE, now=lambda: NOW)
    assert done.record == install(whole, wanted).record
    assert tree(importer.folder) == tree(whole.folder)
    assert not importer.partial.exists()


def test_what_was_put_in_place_and_not_recorded_is_compared(
    importer: Importer, tmp_path: Path
) -> None:
    place = importer.folder / "full"
    place.mkdir(parents=True)
    (place / "weights.safetensors").write_bytes(b"half of it")
    (place / "stray").write_bytes(b"x")
    install(importer, Wanted(full=model(tmp_path / "m")))
    assert set(tree(place)) == {"weights.safetensors", "config.yml"}
    assert hymotion.load(place).mode == "full"


@pytest.mark.parametrize(
    "gone", ["full", "full/config.yml", "full/weights.safetensors", "text/qwen/tokenizer.json"]
)
def test_what_somebody_deleted_is_made_again(importer: Importer, tmp_path: Path, gone: str) -> None:
    wanted = everything(tmp_path)
    first = install(importer, wanted)
    before = tree(importer.folder)
    path = importer.folder / gone
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    again = install(importer, wanted)
    assert (again.fresh, again.revisions) == ({gone.partition("/")[0]}, first.revisions)
    assert tree(importer.folder) == before


def test_weights_that_somebody_cut_are_made_again(importer: Importer, tmp_path: Path) -> None:
    wanted = Wanted(full=model(tmp_path / "m"))
    install(importer, wanted)
    path = importer.folder / "full" / "weights.safetensors"
    whole = path.read_bytes()
    os.truncate(path, len(whole) // 2)
    assert install(importer, wanted).fresh == {"full"}
    assert path.read_bytes() == whole


def test_leftovers_of_another_import_do_not_stay(importer: Importer, tmp_path: Path) -> None:
    stray = importer.partial / "text" / "qwen" / "model-00003-of-00003.safetensors"
    stray.parent.mkdir(parents=True)
    stray.write_bytes(b"of another download")
    install(importer, everything(tmp_path))
    assert not (importer.folder / "text" / "qwen" / stray.name).exists()


def test_no_room_is_said_before_anything_is_written(importer: Importer, tmp_path: Path) -> None:
    plan = importer.plan(Wanted(full=model(tmp_path / "m")))
    with pytest.raises(RoomError) as caught:
        importer.run(replace(plan, free=1000))
    assert (caught.value.wanted, caught.value.free) == (plan.bytes, 1000)
    assert not importer.folder.parent.exists()
    importer.run(replace(plan, free=1000, kept=plan.bytes))  # what is there needs no room


def test_a_disk_that_fills_up_names_the_file_and_keeps_what_is_written(
    importer: Importer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = Wanted(full=model(tmp_path / "m"))
    plan = importer.plan(wanted)
    monkeypatch.setattr("hymotion.importing.stream.PIECE", 500_000)

    def full(path: Path, pieces: Iterable[bytes], *, on_bytes: object) -> object:
        def limited() -> Iterable[bytes]:
            room = 1_000_000
            for piece in pieces:
                room -= len(piece)
                if room < 0:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                yield piece

        return write_pieces(path, limited(), on_bytes=None)

    with monkeypatch.context() as patch:
        patch.setattr("hymotion.importing.storage.write_pieces", full)
        with pytest.raises(RoomError, match=r"weights\.safetensors: the disk is full") as caught:
            importer.run(plan)
    assert caught.value.wanted == plan.steps[0].bytes
    assert "Make room and import again" in str(caught.value)
    assert str(importer.partial / "full") in str(caught.value)
    assert not importer.folder.exists()
    assert importer.plan(wanted).kept > 900_000
    install(importer, wanted)
    assert hymotion.load(importer.folder / "full").mode == "full"
