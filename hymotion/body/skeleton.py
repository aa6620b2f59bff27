"""The body that rotations are applied to: 22 joints at rest, in metres, Y up.

The motion format uses the joint order and the parents of SMPL-H's body. The proportions are our
own: an adult of 1.70 m in a T-pose, facing +Z with the left side at +X. Leg lengths follow the
mean segment fractions of Drillis & Contini 1966 (knee at 0.285, hip at 0.530, ankle at 0.039 of
the height); the rest are round numbers with an arm span near the height.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Contact:
    """A point of the body that can touch the ground.

    Attributes:
        joint: index of the joint it moves with.
        offset: from that joint at rest, metres.
        radius: of the sphere of flesh around the point, metres.
    """

    joint: int
    offset: Vector
    radius: float = 0.0


@dataclass(frozen=True)
class Tip:
    """The end of a chain, as joint and offset in metres, for formats that draw the last bone."""

    joint: int
    offset: Vector


@dataclass(frozen=True)
class Skeleton:
    """A tree of joints at rest.

    Attributes:
        names: of the joints, parents before children.
        parents: index of each joint's parent, −1 for the root, which is joint 0.
        rest: (x, y, z) of each joint in metres.
        contacts: points that may touch the ground; empty if the body's surface is unknown.
        tips: ends of the chains.
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    rest: tuple[Vector, ...]
    contacts: tuple[Contact, ...] = ()
    tips: tuple[Tip, ...] = ()

    @cached_property
    def joints(self) -> Tensor:
        """(J, 3) rest positions, float64."""
        return torch.tensor(self.rest, dtype=torch.float64)

    @cached_property
    def offsets(self) -> Tensor:
        """(J, 3) rest positions relative to the parent, absolute for the root, float64."""
        parents = [0, *self.parents[1:]]
        offsets = self.joints - self.joints[parents]
        offsets[0] = self.joints[0]
        return offsets

    @cached_property
    def generations(self) -> tuple[tuple[list[int], list[int]], ...]:
        """For each depth, its joints and their parents' places among the joints one depth up.

        The first is the root, which is its own parent.
        """
        found = [([0], [0])]
        while joints := [j for j, parent in enumerate(self.parents) if parent in found[-1][0]]:
            above = [found[-1][0].index(self.parents[joint]) for joint in joints]
            found.append((joints, above))
        return tuple(found)

    def children(self, joint: int) -> tuple[int, ...]:
        """The joints whose parent is `joint`, in order."""
        return tuple(index for index, parent in enumerate(self.parents) if parent == joint)


BODY_JOINTS: tuple[tuple[str, int, Vector], ...] = (
    ("Pelvis", -1, (0.0, 0.0, 0.0)),
    ("L_Hip", 0, (0.085, -0.060, 0.0)),
    ("R_Hip", 0, (-0.085, -0.060, 0.0)),
    ("Spine1", 0, (0.0, 0.100, -0.010)),
    ("L_Knee", 1, (0.0, -0.417, 0.005)),
    ("R_Knee", 2, (0.0, -0.417, 0.005)),
    ("Spine2", 3, (0.0, 0.130, 0.0)),
    ("L_Ankle", 4, (0.0, -0.418, -0.025)),
    ("R_Ankle", 5, (0.0, -0.418, -0.025)),
    ("Spine3", 6, (0.0, 0.060, 0.010)),
    ("L_Foot", 7, (0.015, -0.046, 0.125)),
    ("R_Foot", 8, (-0.015, -0.046, 0.125)),
    ("Neck", 9, (0.0, 0.200, -0.020)),
    ("L_Collar", 9, (0.070, 0.100, -0.010)),
    ("R_Collar", 9, (-0.070, 0.100, -0.010)),
    ("Head", 12, (0.0, 0.090, 0.030)),
    ("L_Shoulder", 13, (0.100, 0.040, -0.010)),
    ("R_Shoulder", 14, (-0.100, 0.040, -0.010)),
    ("L_Elbow", 16, (0.280, 0.0, -0.010)),
    ("R_Elbow", 17, (-0.280, 0.0, -0.010)),
    ("L_Wrist", 18, (0.250, 0.0, 0.010)),
    ("R_Wrist", 19, (-0.250, 0.0, 0.010)),
)
"""Name, parent and offset from the parent, metres."""

PELVIS_HEIGHT = 0.961
"""Height of the pelvis joint above the soles at rest, metres."""

ANKLE_HEIGHT = 0.066
BALL_HEIGHT = 0.020

L_ANKLE, R_ANKLE, L_FOOT, R_FOOT, HEAD, L_WRIST, R_WRIST = 7, 8, 10, 11, 15, 20, 21

TIPS = (
    Tip(L_FOOT, (0.0, -BALL_HEIGHT, 0.065)),
    Tip(R_FOOT, (0.0, -BALL_HEIGHT, 0.065)),
    Tip(HEAD, (0.0, 0.159, 0.0)),
    Tip(L_WRIST, (0.170, 0.0, 0.0)),
    Tip(R_WRIST, (-0.170, 0.0, 0.0)),
)
"""Toes, crown and fingertips."""

SOLES = (
    Contact(L_ANKLE, (0.0, -ANKLE_HEIGHT, -0.050)),
    Contact(R_ANKLE, (0.0, -ANKLE_HEIGHT, -0.050)),
    Contact(L_FOOT, (0.0, -BALL_HEIGHT, 0.0)),
    Contact(R_FOOT, (0.0, -BALL_HEIGHT, 0.0)),
    Contact(L_FOOT, (0.0, -BALL_HEIGHT, 0.065)),
    Contact(R_FOOT, (0.0, -BALL_HEIGHT, 0.065)),
)
"""Heels, balls and toes, all in one plane at rest."""

FLESH = (
    # These touch the ground when the body sits, crawls, rolls or does a handstand.
    Contact(0, (0.0, 0.0, 0.0), 0.110),
    Contact(4, (0.0, 0.0, 0.0), 0.055),
    Contact(5, (0.0, 0.0, 0.0), 0.055),
    Contact(6, (0.0, 0.0, 0.0), 0.110),
    Contact(9, (0.0, 0.0, 0.0), 0.110),
    Contact(HEAD, (0.0, 0.060, 0.020), 0.099),
    Contact(18, (0.0, 0.0, 0.0), 0.040),
    Contact(19, (0.0, 0.0, 0.0), 0.040),
    Contact(L_WRIST, (0.0, 0.0, 0.0), 0.030),
    Contact(R_WRIST, (0.0, 0.0, 0.0), 0.030),
    Contact(L_WRIST, (0.170, 0.0, 0.0)),
    Contact(R_WRIST, (-0.170, 0.0, 0.0)),
)


def _body() -> Skeleton:
    rest: list[Vector] = []
    for _, parent, (x, y, z) in BODY_JOINTS:
        px, py, pz = rest[parent] if parent >= 0 else (0.0, 0.0, 0.0)
        rest.append((px + x, py + y, pz + z))
    return Skeleton(
        names=tuple(name for name, _, _ in BODY_JOINTS),
        parents=tuple(parent for _, parent, _ in BODY_JOINTS),
        rest=tuple(rest),
        contacts=SOLES + FLESH,
        tips=TIPS,
    )


BODY = _body()
"""The 22-joint body of every motion written here, with the pelvis at the origin at rest."""
