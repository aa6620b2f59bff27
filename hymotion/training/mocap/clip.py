"""A clip: a stretch of one take on our skeleton, and what it shows."""

from dataclasses import dataclass, replace

from torch import Tensor

from hymotion.body.motion import Motion
from hymotion.body.skeleton import BODY
from hymotion.decoding.ground import soles
from hymotion.decoding.kinematics import forward_kinematics
from hymotion.decoding.planting import RECORDED, planted


@dataclass(frozen=True, eq=False)
class Clip:
    """L frames at 30 a second of the 22-joint body.

    Attributes:
        name: unique in a dataset.
        source: "cmu" or "deepmimic".
        take: the recording it comes from, e.g. "07_01".
        rotations: (L, 22, 3, 3) local rotations, float64.
        trans: (L, 3) where the pelvis is, metres, Y up, float64.
        label: what it shows, free text.
    """

    name: str
    source: str
    take: str
    rotations: Tensor
    trans: Tensor
    label: str = ""

    @property
    def frames(self) -> int:
        """How many frames."""
        return len(self.trans)

    def pose(self) -> tuple[Tensor, Tensor]:
        """(L, 22, 3) joints in the world and (L, 22, 3, 3) their world rotations, float64."""
        positions, turns = forward_kinematics(self.rotations, BODY)
        return positions + self.trans[:, None], turns

    def soles(self) -> tuple[Tensor, Tensor]:
        """(L, C) heights of the body's contact points over y = 0, and (L, C, 3) the points."""
        return soles(*self.pose(), BODY)

    def planted(self) -> "Clip":
        """The clip with its feet held where they touch the ground; see `hymotion.decoding`."""
        return replace(self, rotations=planted(self.rotations, self.trans, RECORDED))

    def motion(self) -> Motion:
        """The same as a decoded motion, for export and measures."""
        return Motion.of(self.rotations, self.trans, self.pose()[0])
