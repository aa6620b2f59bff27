"""Reading a motion back: the same numbers, and a named fault for every file that is not one."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hymotion
from hymotion.errors import MotionFileError
from hymotion.export import read_npz, write_npz
from hymotion.export.npz import OWN_KEYS


@pytest.fixture(scope="module")
def motion(lite) -> hymotion.Motion:  # type: ignore[no-untyped-def]
    return lite.sample([hymotion.Request(frames=25, seed=1, prompt="walk", steps=3)])[0]


def written(motion: hymotion.Motion, path: Path, **metadata: str | float) -> Path:
    with path.open("wb") as file:
        write_npz(motion, file, metadata=metadata)
    return path


def altered(motion: hymotion.Motion, path: Path, **changes: Any) -> Path:
    """The file of a motion with arrays replaced, or left out where None."""
    buffer = io.BytesIO()
    write_npz(motion, buffer, metadata={})
    buffer.seek(0)
    arrays = dict(np.load(buffer)) | changes
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
    return path


def test_a_motion_comes_back_as_it_was(motion: hymotion.Motion, tmp_path: Path) -> None:
    metadata = {"prompt": "走る\n👋", "seed": 2**63 - 1, "guidance": 2.5, "empty": ""}
    found = read_npz(written(motion, tmp_path / "a.npz", **metadata))
    assert found.metadata == metadata
    assert found.motion.fps == motion.fps
    for name in ("rot6d", "trans", "joints"):
        assert np.array_equal(getattr(found.motion, name), getattr(motion, name)), name
        assert getattr(found.motion, name).dtype == np.float32
    again = written(found.motion, tmp_path / "b.npz", **found.metadata)
    assert again.read_bytes() == (tmp_path / "a.npz").read_bytes()


def test_the_format_s_own_keys_are_all_that_is_written(
    motion: hymotion.Motion, tmp_path: Path
) -> None:
    with np.load(written(motion, tmp_path / "a.npz")) as file:
        assert tuple(file.files) == OWN_KEYS


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"rot6d": None}, "has no rot6d"),
        ({"fps": None}, "has no fps"),
        ({"fps": np.array(30.0)}, "fps is 30.0"),
        ({"fps": np.array(0)}, "fps is 0"),
        ({"joints": np.zeros((25, 21, 3), np.float32)}, r"joints is float32 \(25, 21, 3\)"),
        ({"joints": np.zeros((25, 22, 3), np.int64)}, "joints is int64"),
        ({"trans": np.zeros((24, 3), np.float32)}, "25, 24 and 25 frames"),
        ({"trans": np.full((25, 3), np.nan)}, "trans has numbers that are not finite"),
        ({"trans": np.ones((25, 3))}, "cm from where the rotations put them"),
        ({"joints": np.array([object()])}, r"damaged or no .npz \(it holds no plain arrays\)"),
    ],
)
def test_files_that_are_no_motion(
    motion: hymotion.Motion, tmp_path: Path, changes: dict[str, Any], says: str
) -> None:
    path = altered(motion, tmp_path / "a.npz", **changes)
    with pytest.raises(MotionFileError, match=says) as caught:
        read_npz(path)
    assert caught.value.path == path
    assert caught.value.mend in str(caught.value)


def test_files_that_are_no_npz(motion: hymotion.Motion, tmp_path: Path) -> None:
    path = written(motion, tmp_path / "a.npz")
    whole = path.read_bytes()
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 0xFF
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    for content in (b"", b"HIERARCHY\n", whole[:-100], bytes(damaged), buffer.getvalue()):
        path.write_bytes(content)
        with pytest.raises(MotionFileError, match=r"damaged|single array"):
            read_npz(path)
    with pytest.raises(MotionFileError, match="is not there"):
        read_npz(tmp_path / "none.npz")
    with pytest.raises(MotionFileError, match="directory"):
        read_npz(tmp_path)
