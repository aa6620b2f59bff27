"""Reading a motion back from the `.npz` that was written of it."""

import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hymotion.body.motion import Floats, Motion
from hymotion.body.rotation import matrix_from_rot6d
from hymotion.body.skeleton import BODY
from hymotion.decoding.kinematics import forward_kinematics
from hymotion.errors import MotionFileError
from hymotion.export.npz import OWN_KEYS, Metadata

AGREEMENT = 2e-3
"""How far joints may be from where rotations and translation put them, metres: single
precision stays below a tenth of it, another body's joints are centimetres away."""

FASTEST = 1000
"""Frames a second that a motion may have at most."""

AGAIN = "Make the motion again, or fetch the file again"


@dataclass(frozen=True, eq=False)
class Recording:
    """What a file holds.

    Attributes:
        motion: on the body of 22 joints that everything here is made for.
        metadata: prompt, seed and whatever else was written with it.
    """

    motion: Motion
    metadata: Metadata


def read_npz(path: Path) -> Recording:
    """Read a motion and its metadata from a file that `write_npz` wrote.

    Nothing in the file is run (no pickle), and what is read is checked: a motion that comes out
    is finite, of one length, and its joints are where its rotations put them.

    Raises:
        MotionFileError: there is no such file, it is damaged, or it is no motion of ours.
    """
    arrays = _arrays(path)
    for key, usual in (("up", "y"), ("unit", "m")):
        if key in arrays and arrays[key] != usual:
            raise MotionFileError(
                f"was exported with {key} {arrays[key]}",
                mend="Take the file it was exported from",
                path=path,
            )
    rot6d = _numbers(path, arrays, "rot6d", (22, 6))
    trans = _numbers(path, arrays, "trans", (3,))
    joints = _numbers(path, arrays, "joints", (22, 3))
    if not len(rot6d) == len(trans) == len(joints) > 0:
        lengths = f"{len(rot6d)}, {len(trans)} and {len(joints)}"
        raise _wrong(path, f"rot6d, trans and joints are of {lengths} frames")
    motion = Motion(rot6d=rot6d, trans=trans, joints=joints, fps=_fps(path, arrays))
    _compare(path, motion)
    metadata = {
        key: value.item()
        for key, value in arrays.items()
        if key not in OWN_KEYS and value.ndim == 0 and value.dtype.kind in "Uif"
    }
    return Recording(motion=motion, metadata=metadata)


def _arrays(path: Path) -> Mapping[str, NDArray[Any]]:
    try:
        with path.open("rb") as file:
            found = np.load(file, allow_pickle=False)
            if not isinstance(found, np.lib.npyio.NpzFile):
                raise _wrong(path, "is a single array")
            with found as archive:
                return {key: archive[key] for key in archive.files}
    except FileNotFoundError as error:
        raise MotionFileError("is not there", mend="Check the name", path=path) from error
    except OSError as error:
        reason = error.strerror or "cannot be read"
        raise MotionFileError(reason, mend="See that it can be read", path=path) from error
    except (zipfile.BadZipFile, zlib.error, ValueError, EOFError, NotImplementedError) as error:
        # numpy's own advice is to allow pickle, which would run what the file says.
        reason = "it holds no plain arrays" if "pickle" in str(error) else str(error)
        raise _wrong(path, f"is damaged or no .npz ({reason})") from error


def _numbers(
    path: Path, arrays: Mapping[str, NDArray[Any]], key: str, shape: tuple[int, ...]
) -> Floats:
    """The array (L, *shape) as float32, all finite."""
    array = _present(path, arrays, key)
    if array.dtype.kind != "f" or array.shape[1:] != shape or array.ndim != len(shape) + 1:
        raise _wrong(path, f"{key} is {array.dtype} {array.shape}, not floats (L, {shape})")
    if not np.isfinite(array).all():
        raise _wrong(path, f"{key} has numbers that are not finite")
    return array.astype(np.float32)


def _fps(path: Path, arrays: Mapping[str, NDArray[Any]]) -> int:
    fps = _present(path, arrays, "fps")
    if fps.ndim or fps.dtype.kind not in "iu" or not 1 <= fps.item() <= FASTEST:
        raise _wrong(path, f"fps is {fps!s}, not a whole number from 1 to {FASTEST}")
    return int(fps)


def _present(path: Path, arrays: Mapping[str, NDArray[Any]], key: str) -> NDArray[Any]:
    if key not in arrays:
        raise _wrong(path, f"has no {key}")
    return arrays[key]


def _compare(path: Path, motion: Motion) -> None:
    """Raise unless the joints are where rotations, translation and our body put them."""
    matrices = matrix_from_rot6d(torch.from_numpy(motion.rot6d).double())
    positions, _ = forward_kinematics(matrices, BODY)
    there = positions + torch.from_numpy(motion.trans).double()[:, None]
    away = (there - torch.from_numpy(motion.joints).double()).abs().max().item()
    if away > AGREEMENT:
        raise _wrong(
            path, f"joints are up to {away * 100:.1f} cm from where the rotations put them"
        )


def _wrong(path: Path, problem: str) -> MotionFileError:
    return MotionFileError(problem, mend=AGAIN, path=path)
