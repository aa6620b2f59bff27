"""A folder of golden fixtures: a model, inputs, and what the published code computed from them.

`config.yml` and `latest.ckpt` are the model; `golden.npz` holds `steps`, `cfg_scale`, `frames`,
the skeleton (`joint_template` in metres, `parents`) and, for each case i, arrays `case<i>.<name>`.
"""

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hymotion.body.skeleton import Skeleton
from hymotion.conditioning import TextConditioning
from hymotion.config import FRAME_WIDTH
from hymotion.errors import GoldenError

MEND = "Give a folder with config.yml, latest.ckpt and golden.npz in the documented format"


@dataclass(frozen=True, eq=False)
class Case:
    """B prompts of one length L.

    Attributes:
        frames: L.
        texts: the B encoded prompts.
        tokens: how many token rows the published code padded them to.
        seeds: of the B motions.
        x: (B, train_frames, 201) and
        t: (B,) inputs of one call of the network, whose first L frames are
        velocity: (B, L, 201).
        expected: the arrays after it, by name: noise_first_frame (B, 201), latent (B, L, 201),
            rot6d (B, L, 22, 6), transl (B, L, 3), keypoints3d (B, L, J, 3), root_rotmat
            (B, L, 3, 3).
    """

    frames: int
    texts: tuple[TextConditioning, ...]
    tokens: int
    seeds: tuple[int, ...]
    x: Tensor
    t: Tensor
    velocity: Tensor
    expected: Mapping[str, Tensor]


@dataclass(frozen=True, eq=False)
class Golden:
    """All cases of a folder, the skeleton they were decoded with, and how they were sampled."""

    steps: int
    guidance: float
    skeleton: Skeleton
    cases: tuple[Case, ...]

    @classmethod
    def read(cls, folder: Path, *, train_frames: int) -> "Golden":
        """Read `golden.npz` of a folder.

        Raises:
            GoldenError: the file is absent, is no plain npz, or lacks an array or its shape.
        """
        arrays = _Arrays.read(folder)
        lengths = arrays.get("frames", (None,)).tolist()
        if not lengths or not all(1 <= length <= train_frames for length in lengths):
            raise arrays.error(f"frames is {lengths}, not lengths up to {train_frames}")
        skeleton = _skeleton(arrays)
        return cls(
            steps=int(arrays.get("steps", ())),
            guidance=float(arrays.get("cfg_scale", ())),
            skeleton=skeleton,
            cases=tuple(
                _case(arrays, f"case{index}.", length, train_frames, len(skeleton.names))
                for index, length in enumerate(lengths)
            ),
        )


@dataclass(frozen=True, eq=False)
class _Arrays:
    """The arrays of a golden.npz, each fetched with the shape it must have."""

    folder: Path
    arrays: Mapping[str, NDArray[np.generic]]

    @classmethod
    def read(cls, folder: Path) -> "_Arrays":
        path = folder / "golden.npz"
        if not path.is_file():
            raise GoldenError("golden.npz is missing", mend=MEND, path=folder)
        # Anything else numpy might load, with pickle off or in another form, is not asked about.
        if not zipfile.is_zipfile(path):
            raise GoldenError("golden.npz is no zip of arrays", mend=MEND, path=folder)
        try:
            with np.load(path, allow_pickle=False) as file:
                return cls(folder, {key: file[key] for key in file.files})
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            problem = f"golden.npz cannot be read ({error})"
            raise GoldenError(problem, mend=MEND, path=folder) from error

    def error(self, problem: str) -> GoldenError:
        return GoldenError(f"golden.npz: {problem}", mend=MEND, path=self.folder)

    def get(self, key: str, shape: tuple[int | None, ...]) -> Tensor:
        """The array as a tensor; None in `shape` stands for any length."""
        if key not in self.arrays:
            raise self.error(f"{key} is missing")
        array = self.arrays[key]
        fits = len(array.shape) == len(shape) and all(
            want in (None, have) for have, want in zip(array.shape, shape, strict=True)
        )
        if not fits or array.dtype.kind not in "fiu":
            raise self.error(f"{key} is {array.dtype}{array.shape}, not numbers of shape {shape}")
        return torch.from_numpy(np.array(array))


def _skeleton(arrays: _Arrays) -> Skeleton:
    rest = arrays.get("joint_template", (None, 3)).tolist()
    parents = arrays.get("parents", (len(rest),)).tolist()
    if parents[:1] != [-1] or any(not 0 <= p < j for j, p in enumerate(parents) if j):
        raise arrays.error("parents is no tree with parents before children")
    return Skeleton(
        names=tuple(f"joint{index}" for index in range(len(rest))),
        parents=tuple(parents),
        rest=tuple((x, y, z) for x, y, z in rest),
    )


def _case(arrays: _Arrays, prefix: str, frames: int, train_frames: int, joints: int) -> Case:
    vtxt = arrays.get(f"{prefix}vtxt", (None, 1, None))
    count = len(vtxt)
    ctxt = arrays.get(f"{prefix}ctxt", (count, None, None))
    lengths = arrays.get(f"{prefix}ctxt_length", (count,)).tolist()
    shapes = {
        "noise_first_frame": (count, FRAME_WIDTH),
        "latent": (count, frames, FRAME_WIDTH),
        "rot6d": (count, frames, 22, 6),
        "transl": (count, frames, 3),
        "keypoints3d": (count, frames, joints, 3),
        "root_rotmat": (count, frames, 3, 3),
    }
    return Case(
        frames=frames,
        texts=tuple(TextConditioning(*row) for row in zip(vtxt, ctxt, lengths, strict=True)),
        tokens=ctxt.shape[1],
        seeds=tuple(arrays.get(f"{prefix}seeds", (count,)).tolist()),
        x=arrays.get(f"{prefix}x", (count, train_frames, FRAME_WIDTH)),
        t=arrays.get(f"{prefix}t", (count,)),
        velocity=arrays.get(f"{prefix}velocity", (count, frames, FRAME_WIDTH)),
        expected={name: arrays.get(prefix + name, shape) for name, shape in shapes.items()},
    )
