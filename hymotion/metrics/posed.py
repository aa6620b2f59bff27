"""Motions posed for measuring: what their measures have in common is computed once."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from hymotion.body.motion import Motion
from hymotion.body.rotation import matrix_from_rot6d
from hymotion.body.skeleton import BODY, Skeleton
from hymotion.decoding.kinematics import forward_kinematics
from hymotion.decoding.rows import FrameRows
from hymotion.errors import MeasureError


@dataclass(frozen=True, eq=False)
class PosedMotions:
    """The N frames of M motions, one motion after another, on the CPU.

    A motion that is not finite does not change what is computed of the others.

    Attributes:
        rows: which frames belong to one motion.
        rot6d: (N, J, 6) as in `Motion`, float32, like the next two.
        trans: (N, 3).
        joints: (N, J, 3).
        fps: frames per second.
        skeleton: of the motions.
    """

    rows: FrameRows
    rot6d: Tensor
    trans: Tensor
    joints: Tensor
    fps: int
    skeleton: Skeleton

    @classmethod
    def of(cls, motions: Sequence[Motion]) -> "PosedMotions":
        """Join one motion or more.

        Raises:
            MeasureError: they differ in frame rate, skeleton or number of rotations.
        """
        kinds = [(one.fps, one.skeleton, one.rot6d.shape[1:]) for one in motions]
        if any(kind != kinds[0] for kind in kinds):
            raise MeasureError(
                "the motions differ in frame rate, skeleton or number of rotations",
                mend="Measure motions of one kind together",
                field="motions",
                value=len(motions),
            )
        return cls(
            rows=FrameRows.of([one.frames for one in motions]),
            rot6d=_joined([one.rot6d for one in motions]),
            trans=_joined([one.trans for one in motions]),
            joints=_joined([one.joints for one in motions]),
            fps=motions[0].fps,
            skeleton=motions[0].skeleton,
        )

    @cached_property
    def body(self) -> tuple[Tensor, Tensor]:
        """Positions without the translation, and world rotations, of `BODY`'s joints."""
        return forward_kinematics(self.matrices, BODY)

    @property
    def matrices(self) -> Tensor:
        """(N, J, 3, 3) local rotations, float64."""
        # In the order in memory that kinematics needs.
        return matrix_from_rot6d(self.rot6d.double().movedim(0, 1)).movedim(1, 0)

    @property
    def turns(self) -> Tensor:
        """(N, J, 3, 3) world rotations of the joints, float64."""
        if self.skeleton.parents == BODY.parents:
            return self.body[1]
        return forward_kinematics(self.matrices, self.skeleton)[1]

    def finite(self, *parts: Tensor) -> Tensor:
        """(M,) whether all numbers of these (N, …) parts of a motion are finite."""
        # The sum over a frame is not finite if one of them is not; float64 cannot overflow.
        sums = [part.flatten(1).sum(1, dtype=torch.float64) for part in parts]
        return self.rows.total(torch.stack(sums, dim=1)).isfinite().all(1)


def _joined(arrays: Sequence[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.concatenate(arrays))
