"""A clip: a part of a take on our skeleton, with a label."""

from dataclasses import dataclass, replace

from torch import Tensor

from hymotion.body.motion import Motion
from hymotion.body.skeleton import BODY
from hymotion.decoding.ground import soles
from hymotion.decoding.kinematics import Pose, forward_kinematics
from hymotion.decoding.planting import RECORDED, planted
from hymotion.decoding.rows import FrameRows


@dataclass(frozen=True, eq=False)
class Clip:
    """L frames of the 22-joint body at 30 fps.

    Attributes:
        name: unique in a dataset.
        source: "cmu" or "deepmimic".
        take: the recording it comes from, e.g. "07_01".
        rotations: (L, 22, 3, 3) local rotations, float64.
        trans: (L, 3) pelvis positions, metres, Y up, float64.
        label: free-text description.
    """

    name: str
    source: str
    take: str
    rotations: Tensor
    trans: Tensor
    label: str = ""

    @property
    def frames(self) -> int:
        """Number of frames, L."""
        return len(self.trans)

    def pose(self) -> tuple[Tensor, Tensor]:
        """(L, 22, 3) joints in the world and (L, 22, 3, 3) their world rotations, float64."""
        positions, turns = forward_kinematics(self.rotations, BODY)
        return positions + self.trans[:, None], turns

    def soles(self) -> tuple[Tensor, Tensor]:
        """(L, C) heights of the body's contact points above y = 0, and (L, C, 3) the points."""
        return soles(*self.pose(), BODY)

    def planted(self) -> "Clip":
        """The clip with its feet held still during contact; see `hymotion.decoding.planting`."""
        pose = Pose.of(self.rotations, self.trans, BODY)
        return replace(
            self, rotations=planted(pose, FrameRows.of([self.frames]), RECORDED).matrices
        )

    def motion(self) -> Motion:
        """The clip as a decoded motion, for export and measures."""
        return Motion.of(self.rotations, self.trans, self.pose()[0])
