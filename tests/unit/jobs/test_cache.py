"""Files are reused only while they are what their row says."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from jobs.cache import reusable
from jobs.records import Artifact


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
