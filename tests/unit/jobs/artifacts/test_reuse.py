"""Files are reused only if they match their row."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from jobs.artifacts.reuse import ReusedFiles, lost, reusable
from jobs.artifacts.temporary import link_path, list_parts
from jobs.domain.batches import Artifact, NewJob
from jobs.domain.spec import JobSpec


@pytest.fixture
def made(tmp_path: Path) -> tuple[Artifact, Artifact]:
    def artifact(name: str) -> Artifact:
        path = tmp_path / f"a_s0.{name}"
        path.write_bytes(name.encode() * 1000)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return Artifact(name, str(path), path.stat().st_size, digest)

    return artifact("npz"), artifact("bvh")


def test_the_wanted_formats_are_given_in_their_order(made: tuple[Artifact, Artifact]) -> None:
    npz, bvh = made
    assert reusable(made, ("npz",)) == (npz,)
    assert reusable(made, ("bvh", "npz")) == (bvh, npz)
    assert reusable([npz], ("bvh", "npz")) is None
    assert reusable([], ("npz",)) is None


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[5] ^= 1
    path.write_bytes(content)


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    "harm",
    [Path.unlink, flip, pipe, folder, lambda path: path.write_bytes(b""),
     lambda path: path.write_bytes(path.read_bytes()[:-1])],
    ids=["gone", "flipped", "pipe", "folder", "empty", "short"],
)  # fmt: skip
def test_a_file_that_is_not_what_it_was_is_not_reused(
    made: tuple[Artifact, Artifact], harm: Callable[[Path], object]
) -> None:
    npz, bvh = made
    harm(Path(bvh.path))
    assert reusable(made, ("bvh", "npz")) is None
    assert reusable(made, ("npz",)) == (npz,)


def test_a_device_is_no_file_however_well_it_matches() -> None:
    empty = hashlib.sha256().hexdigest()
    assert reusable([Artifact("npz", os.devnull, 0, empty)], ("npz",)) is None


def test_a_path_that_no_file_system_takes_is_not_reused() -> None:
    assert reusable([Artifact("npz", "a\x00b", 1, "x")], ("npz",)) is None
    assert reusable([Artifact("npz", "x" * 5000, 1, "x")], ("npz",)) is None


def test_only_what_is_certainly_gone_is_lost(
    made: tuple[Artifact, Artifact], tmp_path: Path
) -> None:
    npz, bvh = made
    assert not lost(made)
    assert not lost(()), "a job may have no files"
    flip(Path(bvh.path))
    assert not lost(made), "nothing is read"
    assert not lost([Artifact("npz", str(tmp_path / ("x" * 300)), 1, "x")]), "cannot be looked at"
    Path(bvh.path).write_bytes(b"")
    assert lost(made)
    Path(npz.path).unlink()
    assert lost([npz])
    assert lost([Artifact("npz", f"{bvh.path}/below-a-file", 1, "x")])


def spec(custom_id: str) -> JobSpec:
    return JobSpec(custom_id=custom_id, prompt="walks", seed=7, steps=50, guidance=5.0)


def test_a_shelf_is_empty_afterwards_whatever_became_of_its_files(
    made: tuple[Artifact, Artifact], tmp_path: Path
) -> None:
    folder = tmp_path / "batch"
    shelf = ReusedFiles(folder)
    taken = {name: shelf.take(spec(name), made) for name in ("a", "b")}
    assert len(list_parts(folder)) == 4
    assert {path.name for path in folder.iterdir() if path.name[0] != "."} == set()
    job = NewJob(spec=spec("a"), mode="lite", revision="r", gib=1, cached_from=1,
                 artifacts=taken["a"] or ())  # fmt: skip
    shelf.place([job])
    shelf.clear()
    assert {path.name for path in folder.iterdir()} == {"a_s7.npz", "a_s7.bvh"}
    pairs = zip(job.artifacts, made, strict=True)
    assert all(Path(mine.path).samefile(old.path) for mine, old in pairs)
    # Repeat it, as after a submit that was killed between renaming and committing: renaming
    # between two links to the same file does nothing.
    again = ReusedFiles(folder)
    again.take(spec("a"), made)
    again.place([job])
    again.clear()
    assert {path.name for path in folder.iterdir()} == {"a_s7.npz", "a_s7.bvh"}


def test_a_file_under_the_temporary_name_is_never_written_to(
    made: tuple[Artifact, Artifact], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An existing file could be a link to another job's motion."""
    npz, bvh = made
    folder = tmp_path / "batch"
    folder.mkdir()
    monkeypatch.setattr("jobs.artifacts.temporary.time.time", lambda: 1.0)
    monkeypatch.setattr("jobs.artifacts.temporary._token", lambda: "host-1-0")
    os.link(bvh.path, link_path(folder / "a_s7.npz"))
    assert ReusedFiles(folder).take(spec("a"), [npz]) is None
    assert not lost([bvh])


def test_a_symbolic_link_is_copied_not_linked(
    made: tuple[Artifact, Artifact], tmp_path: Path
) -> None:
    npz, _ = made
    symbol = tmp_path / "symbol.npz"
    symbol.symlink_to(npz.path)
    shelf = ReusedFiles(tmp_path / "batch")
    shelf.take(spec("a"), [replace(npz, path=str(symbol))])
    (part,) = list_parts(tmp_path / "batch")
    assert not part.is_symlink()
    assert part.read_bytes() == Path(npz.path).read_bytes()
