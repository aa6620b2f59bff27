"""Two-bone inverse kinematics of a leg."""

from dataclasses import dataclass

import torch
from torch import Tensor

from hymotion.body.rotation import matrix_from_axis_angle, shortest_turn
from hymotion.body.skeleton import BODY

STRETCH = 0.9995
"""The largest fraction of its length a leg may use: a straight knee has no axis to bend about."""

BEND = 0.05
"""Weight of the knee joint's x axis relative to its bend axis, which a straight knee lacks."""


@dataclass(frozen=True)
class Leg:
    """Indices of a leg's joints in `BODY` and of its heel, ball and toe contacts."""

    hip: int
    knee: int
    ankle: int
    heel: int
    ball: int
    toes: int

    def reach(self, turns: Tensor, positions: Tensor, target: Tensor) -> None:
        """Turn hip and knee to put the ankle at its target; the foot keeps its world rotation.

        Args:
            turns: (L, 22, 3, 3) world rotations; changed in place.
            positions: (L, 22, 3) joint positions in the world.
            target: (L, 3); a leg too short to reach it points towards it.
        """
        hip, knee, ankle = (positions[:, joint] for joint in (self.hip, self.knee, self.ankle))
        upper, lower = (float(BODY.offsets[joint].norm()) for joint in (self.knee, self.ankle))
        longest = (upper + lower) * STRETCH
        far = (target - hip).norm(dim=-1).clamp(abs(upper - lower) + 0.01, longest)
        now = (ankle - hip).norm(dim=-1).clamp(max=longest)
        angle = _inner(upper, lower, now) - _inner(upper, lower, far)
        axis = torch.linalg.cross(knee - hip, ankle - knee) / (upper * lower)
        axis = torch.nn.functional.normalize(axis + BEND * turns[:, self.knee, :, 0], dim=-1)
        bend = matrix_from_axis_angle(axis * angle[:, None])
        bent = knee + (bend @ (ankle - knee)[..., None])[..., 0]
        swing = shortest_turn(bent - hip, target - hip)
        turns[:, self.hip] = swing @ turns[:, self.hip]
        turns[:, self.knee] = swing @ bend @ turns[:, self.knee]


def _inner(upper: float, lower: float, far: Tensor) -> Tensor:
    """The knee's inner angle for the distance `far` from hip to ankle, by the law of cosines."""
    cosine = (upper**2 + lower**2 - far**2) / (2 * upper * lower)
    return torch.acos(cosine.clamp(-1, 1))


LEGS = (Leg(1, 4, 7, 0, 2, 4), Leg(2, 5, 8, 1, 3, 5))
"""Left, right."""
