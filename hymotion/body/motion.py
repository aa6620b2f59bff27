"""A decoded motion, the result of a request."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hymotion.body.rotation import matrix_from_rot6d, rot6d_from_matrix
from hymotion.body.skeleton import BODY, Skeleton
from hymotion.config import FPS

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Motion:
    """L frames of a body in the world: metres, Y up, the ground at y = 0.

    Attributes:
        rot6d: (L, 22, 6) rotations relative to the parent, the root's relative to the world; the
            first two columns of each matrix stored row by row.
        trans: (L, 3) root translation, which is the pelvis position, as its rest is the origin.
        joints: (L, 22, 3) joint positions in the world, from `rot6d`, `trans` and `skeleton`.
        fps: frames per second.
        skeleton: the body the rotations were applied to.
    """

    rot6d: Floats
    trans: Floats
    joints: Floats
    fps: int = FPS
    skeleton: Skeleton = BODY

    @classmethod
    def of(
        cls,
        matrices: Tensor,
        trans: Tensor,
        joints: Tensor,
        *,
        fps: int = FPS,
        skeleton: Skeleton = BODY,
    ) -> "Motion":
        """Build from tensors of any float type, with (L, 22, 3, 3) rotations instead of `rot6d`."""
        lengths = [len(trans)]
        [motion] = cls.split(matrices, trans, joints, lengths=lengths, fps=fps, skeleton=skeleton)
        return motion

    @classmethod
    def split(
        cls,
        matrices: Tensor,
        trans: Tensor,
        joints: Tensor,
        *,
        lengths: Sequence[int],
        fps: int = FPS,
        skeleton: Skeleton = BODY,
    ) -> list["Motion"]:
        """Build motions of these lengths from their frames, one motion after another.

        The tensors are those of `of`; they leave their device in one copy, and the motions' arrays
        are views of it.
        """
        parts = (rot6d_from_matrix(matrices), trans, joints)
        numbers = torch.cat([part.flatten() for part in parts]).float().cpu()
        split = numbers.split_with_sizes([part.numel() for part in parts])
        arrays = [
            [frames.numpy() for frames in flat.reshape(part.shape).split_with_sizes(lengths)]
            for flat, part in zip(split, parts, strict=True)
        ]
        return [
            cls(rot6d=rot6d, trans=trans, joints=joints, fps=fps, skeleton=skeleton)
            for rot6d, trans, joints in zip(*arrays, strict=True)
        ]

    @property
    def frames(self) -> int:
        """Number of frames, L."""
        return len(self.trans)

    def matrices(self) -> Tensor:
        """(L, 22, 3, 3) local rotation matrices, float64."""
        return matrix_from_rot6d(torch.from_numpy(self.rot6d).double())
