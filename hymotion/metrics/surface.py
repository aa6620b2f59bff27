"""The body's surface in the world, and the height of the ground it rests on."""

from dataclasses import dataclass

import torch
from torch import Tensor

from hymotion.body.motion import Motion
from hymotion.decoding.ground import soles
from hymotion.decoding.kinematics import forward_kinematics
from hymotion.errors import MeasureError

REST_SHARE = 0.10
"""The quantile, over the frames, of the lowest point that defines the ground."""


@dataclass(frozen=True, eq=False)
class Surface:
    """The points of a body that can touch the ground, over L frames; metres, float64.

    Attributes:
        points: (L, C, 3) the skeleton's contact points in the world.
        heights: (L, C) heights above the ground of the flesh below each point (y − radius).
        ground: y of the ground: 0, or higher if the body rests higher; see `measure_surface`.
    """

    points: Tensor
    heights: Tensor
    ground: float


def measure_surface(motion: Motion) -> Surface:
    """The surface of a finite motion.

    The decoder puts each motion's lowest point at y = 0, so no motion would ever go below y = 0:
    one frame with a foot 10 cm too low raises all other frames instead. The ground is therefore
    the 10th percentile over the frames of the lowest point, but at least y = 0, which is a
    motion's ground by definition.

    Raises:
        MeasureError: the skeleton has no contacts.
    """
    if not motion.skeleton.contacts:
        raise MeasureError(
            "the skeleton has no points that touch the ground",
            mend="Decode the motion with hymotion.BODY",
            field="skeleton",
            value=motion.skeleton.names,
        )
    _, turns = forward_kinematics(motion.matrices(), motion.skeleton)
    positions = torch.from_numpy(motion.joints).double()
    levels, points = soles(positions, turns, motion.skeleton)
    ground = max(0.0, float(torch.quantile(levels.amin(1), REST_SHARE)))
    return Surface(points=points, heights=levels - ground, ground=ground)
