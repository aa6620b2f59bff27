"""The body as it is drawn: tapered limbs between points, a head with a nose."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from hymotion.body.motion import Motion
from hymotion.body.skeleton import TIPS, Tip
from hymotion.decoding.kinematics import forward_kinematics
from hymotion.picture.colours import FACE, LEFT, MIDDLE, RIGHT, SKIN, Colour

Points = NDArray[np.float64]

HEAD = 15
HEAD_CENTRE, NOSE = Tip(HEAD, (0.0, 0.075, 0.015)), Tip(HEAD, (0.0, 0.065, 0.118))
EXTRA = (*TIPS, HEAD_CENTRE, NOSE)
"""Points beside the 22 joints, numbered from 22 on: toes, crown, fingertips, head, nose."""

L_TOE, R_TOE, L_FINGER, R_FINGER, HEAD_BALL, NOSE_BALL = 22, 23, 25, 26, 27, 28


@dataclass(frozen=True)
class Limb:
    """A tapered rod with round ends, or a ball where start and end are one.

    Attributes:
        start, end: indices of the points.
        thick, thin: radii at start and end, metres.
        colour: of its lit side.
        trunk: whether it is part of the trunk, which is one body without rims inside.
    """

    start: int
    end: int
    thick: float
    thin: float
    colour: Colour
    trunk: bool = False


def _pair(start: tuple[int, int], end: tuple[int, int], thick: float, thin: float) -> list[Limb]:
    """A limb of the left side and its like of the right."""
    return [
        Limb(start[0], end[0], thick, thin, LEFT),
        Limb(start[1], end[1], thick, thin, RIGHT),
    ]


LIMBS: tuple[Limb, ...] = (
    Limb(0, 3, 0.095, 0.090, MIDDLE, trunk=True),
    Limb(3, 6, 0.090, 0.100, MIDDLE, trunk=True),
    Limb(6, 9, 0.100, 0.105, MIDDLE, trunk=True),
    Limb(9, 12, 0.085, 0.045, MIDDLE, trunk=True),
    Limb(0, 1, 0.085, 0.075, MIDDLE, trunk=True),
    Limb(0, 2, 0.085, 0.075, MIDDLE, trunk=True),
    Limb(9, 16, 0.070, 0.050, MIDDLE, trunk=True),
    Limb(9, 17, 0.070, 0.050, MIDDLE, trunk=True),
    Limb(12, HEAD, 0.042, 0.042, SKIN),
    *_pair((1, 2), (4, 5), 0.072, 0.050),
    *_pair((4, 5), (7, 8), 0.050, 0.034),
    *_pair((7, 8), (10, 11), 0.036, 0.030),
    *_pair((10, 11), (L_TOE, R_TOE), 0.030, 0.020),
    *_pair((16, 17), (18, 19), 0.046, 0.036),
    *_pair((18, 19), (20, 21), 0.036, 0.026),
    *_pair((20, 21), (L_FINGER, R_FINGER), 0.030, 0.018),
    Limb(HEAD_BALL, HEAD_BALL, 0.105, 0.105, SKIN),
    Limb(NOSE_BALL, NOSE_BALL, 0.026, 0.026, FACE),
)
"""What is drawn. Radii are round numbers of an adult, a little slim so that limbs stay apart."""


def body_points(motion: Motion) -> Points:
    """(L, 29, 3) the joints and `EXTRA` in the world, metres."""
    _, turns = forward_kinematics(motion.matrices(), motion.skeleton)
    joints = torch.from_numpy(motion.joints).double()
    offsets = torch.tensor([tip.offset for tip in EXTRA], dtype=torch.float64)
    owners = [tip.joint for tip in EXTRA]
    extra = joints[:, owners] + (turns[:, owners] @ offsets[..., None])[..., 0]
    points: Points = torch.cat((joints[:, :22], extra), dim=1).numpy()
    return points
