"""The `.npz` format: upstream's keys for SMPL-H viewers, then our own, all without pickle.

| key | shape | |
|---|---|---|
| poses | (L, 156) | axis-angle, radians: 22 joints of the motion, then 30 hand joints, all zero |
| trans | (L, 3) | root translation, metres |
| Rh | (L, 3) | root rotation, axis-angle; equals poses[:, :3] |
| betas | (1, 16) | body shape: zeros, the mean body |
| gender | | "neutral" |
| joints | (L, 22, 3) | joint positions of our own body in the world, metres |
| rot6d | (L, 22, 6) | local rotations, the first two columns of each matrix stored row by row |
| fps | | 30 |

and each metadata entry as a zero-dimensional array. Non-default options are recorded: `up` "z"
(only the root is rotated and the body at rest keeps Y up, as usual for SMPL motions with Z up),
`unit` "cm" (of trans and joints), `joint_names` (22,). The same motion, metadata and options give
the same bytes: entries are in a fixed order, carry the zip format's earliest date, and are not
compressed, because compressed bytes depend on the version of zlib. `hymotion.export.read_npz`
reads the file back.
"""

import io
import zipfile
from collections.abc import Mapping
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from hymotion.body.motion import Motion
from hymotion.body.rotation import axis_angle_from_matrix
from hymotion.errors import ExportError
from hymotion.export.names import JOINT_NAMES
from hymotion.export.options import AS_IT_IS, ExportOptions
from hymotion.export.preparation import moved, turned_to_z

Metadata = Mapping[str, str | int | float]

OWN_KEYS = ("poses", "trans", "betas", "gender", "Rh", "joints", "rot6d", "fps")
"""The format's own keys, in the file's order; all others are metadata."""

UNIT = "m"
HAND_NUMBERS = 90
SHAPE_NUMBERS = 16
EPOCH = (1980, 1, 1, 0, 0, 0)
UNIX = 3


def write_npz(
    motion: Motion, file: BinaryIO, *, metadata: Metadata, options: ExportOptions = AS_IT_IS
) -> None:
    """Write a motion and its metadata (prompt, seed, …) to a binary file.

    Raises:
        ExportError: a metadata key is one of the format's own keys or not a valid name, or a value
            is neither text nor a number that fits 64 bits.
    """
    motion = moved(motion, options)
    motion = turned_to_z(motion) if options.up == "z" else motion
    arrays = _arrays(motion, options.units(UNIT)) | _unusual(options)
    for key in sorted(metadata):
        if key in arrays or not key.isidentifier():
            raise ExportError(
                f"metadata cannot have the key {key!r}",
                mend=f"Use a name other than {', '.join(arrays)}",
            )
        arrays[key] = _scalar(key, metadata[key])
    # An archive is written in many small pieces with seeks between them: in memory, then at once.
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        for key, array in arrays.items():
            archive.writestr(_entry(f"{key}.npy"), _npy(array))
    file.write(content.getbuffer())


def _arrays(motion: Motion, scale: float) -> dict[str, NDArray[np.generic]]:
    angles = axis_angle_from_matrix(motion.matrices()).flatten(1).numpy().astype("<f4")
    hands = np.zeros((motion.frames, HAND_NUMBERS), dtype="<f4")
    return {
        "poses": np.concatenate((angles, hands), axis=1),
        "trans": (motion.trans * scale).astype("<f4"),
        "betas": np.zeros((1, SHAPE_NUMBERS), dtype="<f4"),
        "gender": np.array("neutral", dtype="<U7"),
        "Rh": angles[:, :3].copy(),
        "joints": (motion.joints * scale).astype("<f4"),
        "rot6d": motion.rot6d.astype("<f4"),
        "fps": np.array(motion.fps, dtype="<i8"),
    }


def _unusual(options: ExportOptions) -> dict[str, NDArray[np.generic]]:
    """Entries for the options that differ from the defaults."""
    found: dict[str, NDArray[np.generic]] = {}
    if options.up == "z":
        found["up"] = np.array("z", dtype="<U1")
    if options.units(UNIT) != 1:
        found["unit"] = np.array("cm", dtype="<U2")
    if options.names != "own":
        found["joint_names"] = np.array(JOINT_NAMES[options.names])
    return found


def _scalar(key: str, value: object) -> NDArray[np.generic]:
    if isinstance(value, str):
        return np.array(value, dtype=f"<U{max(1, len(value))}")
    if isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63:
        return np.array(value, dtype="<i8")
    if isinstance(value, float):
        return np.array(value, dtype="<f8")
    raise ExportError(
        f"metadata {key} is {value!r}", mend="Give text, a whole number of 64 bits, or a float"
    )


def _npy(array: NDArray[np.generic]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, version=(1, 0), allow_pickle=False)
    return buffer.getvalue()


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, date_time=EPOCH)
    # The default depends on the operating system.
    entry.create_system = UNIX
    entry.external_attr = 0o644 << 16
    return entry
