"""Two-bone inverse kinematics of the legs, the left and the right at once."""

import torch
from torch import Tensor

from hymotion.body.rotation import matrix_from_axis_angle, shortest_turn
from hymotion.body.skeleton import BODY

HIPS, KNEES, ANKLES, FEET = slice(1, 3), slice(4, 6), slice(7, 9), slice(10, 12)
"""The left and the right joint in `BODY`."""

HEELS, BALLS, TOES = slice(0, 2), slice(2, 4), slice(4, 6)
"""The left and the right contact of `BODY`."""

UPPER, LOWER = (float(BODY.offsets[joints][0].norm()) for joints in (KNEES, ANKLES))
"""Lengths of the two bones of a leg, metres; both legs are alike."""

STRETCH = 0.9995
"""The largest fraction of its length a leg may use: a straight knee has no axis to bend about."""

BEND = 0.05
"""Weight of the knee joint's x axis relative to its bend axis, which a straight knee lacks."""


def reach(turns: Tensor, positions: Tensor, target: Tensor) -> None:
    """Turn hips and knees to put the ankles at their targets; the feet keep their world rotations.

    Args:
        turns: (N, 22, 3, 3) world rotations; changed in place.
        positions: (N, 22, 3) joint positions in the world; changed in place.
        target: (N, 2, 3) of the left and the right ankle; a leg too short to reach it points
            towards it.
    """
    hip, knee, ankle = (positions[:, joints] for joints in (HIPS, KNEES, ANKLES))
    thigh, shank, goal = knee - hip, ankle - knee, target - hip
    longest = (UPPER + LOWER) * STRETCH
    far = goal.norm(dim=-1).clamp(abs(UPPER - LOWER) + 0.01, longest)
    now = (ankle - hip).norm(dim=-1).clamp(max=longest)
    angle = _inner(now) - _inner(far)
    axis = torch.linalg.cross(thigh, shank) / (UPPER * LOWER)
    axis = torch.nn.functional.normalize(axis + BEND * turns[:, KNEES, :, 0], dim=-1)
    bend = matrix_from_axis_angle(axis * angle[..., None])
    bent = thigh + (bend @ shank[..., None])[..., 0]
    swing = shortest_turn(bent, goal)
    turns[:, HIPS] = swing @ turns[:, HIPS]
    turns[:, KNEES] = swing @ bend @ turns[:, KNEES]
    thigh, leg = (swing @ torch.stack((thigh, bent), dim=-1)).unbind(-1)
    positions[:, FEET] += hip + leg - ankle
    positions[:, ANKLES] = hip + leg
    positions[:, KNEES] = hip + thigh


def _inner(far: Tensor) -> Tensor:
    """The knee's inner angle for the distance `far` from hip to ankle, by the law of cosines."""
    cosine = (UPPER**2 + LOWER**2 - far**2) / (2 * UPPER * LOWER)
    return torch.acos(cosine.clamp(-1, 1))
