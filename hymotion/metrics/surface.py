"""Where the body's surface is in the world, and where the ground is that it rests on."""

from dataclasses import dataclass

import torch
from torch import Tensor

from hymotion.body.motion import Motion
from hymotion.decoding.ground import soles
from hymotion.decoding.kinematics import forward_kinematics
from hymotion.errors import MeasureError

REST_SHARE = 0.10
"""The share of frames that may reach below the ground before they are taken for the ground."""


@dataclass(frozen=True, eq=False)
class Surface:
    """The points of a body that can touch the ground, over L frames; metres, float64.

    Attributes:
        points: (L, C, 3) of the skeleton's contacts in the world.
        heights: (L, C) of the flesh below each point (y less its radius) above the ground.
        ground: y of the ground: 0, or higher where the body rests higher; see `measure_surface`.
    """

    points: Tensor
    heights: Tensor
    ground: float


def measure_surface(motion: Motion) -> Surface:
    """The surface of a finite motion.

    The decoder lowers each motion until its lowest point is at y = 0, so against y = 0 nothing
    it makes ever sinks into the ground: one frame with a foot 10 cm too low lifts all the others
    instead. The ground is therefore where the body rests: the 10th percentile over the frames of
    the frame's lowest point, but never below y = 0, where a motion's ground is by definition.

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
