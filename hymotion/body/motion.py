"""A decoded motion: what a request ends in."""

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
        rot6d: (L, 22, 6) local rotations, the root's against the world; the first two columns
            of each matrix stored row by row.
        trans: (L, 3) root translation: where the pelvis is, as it rests at the origin.
        joints: (L, 22, 3) joint positions in the world, from `rot6d`, `trans` and `skeleton`.
        fps: frames a second.
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
        """From tensors of any float type; (L, 22, 3, 3) local rotations instead of `rot6d`."""
        return cls(
            rot6d=_floats(rot6d_from_matrix(matrices)),
            trans=_floats(trans),
            joints=_floats(joints),
            fps=fps,
            skeleton=skeleton,
        )

    @property
    def frames(self) -> int:
        """How many frames."""
        return len(self.trans)

    def matrices(self) -> Tensor:
        """(L, 22, 3, 3) local rotation matrices, float64."""
        return matrix_from_rot6d(torch.from_numpy(self.rot6d).double())


def _floats(numbers: Tensor) -> Floats:
    return numbers.numpy().astype(np.float32)
