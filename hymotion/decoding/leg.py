"""A leg of two bones that reaches for a place."""

from dataclasses import dataclass

import torch
from torch import Tensor

from hymotion.body.rotation import matrix_from_axis_angle, shortest_turn
from hymotion.body.skeleton import BODY

STRETCH = 0.9995
"""How much of its length a leg uses at most: a straight knee has no axis to bend about."""

BEND = 0.05
"""What the knee's own axis counts beside that of its bend, which a straight knee does not have."""


@dataclass(frozen=True)
class Leg:
    """Joints of a leg of `BODY`, and which of its contacts are heel, ball and toes."""

    hip: int
    knee: int
    ankle: int
    heel: int
    ball: int
    toes: int

    def reach(self, turns: Tensor, positions: Tensor, target: Tensor) -> None:
        """Turn hip and knee until the ankle is at its target; the foot keeps its turn.

        Args:
            turns: (L, 22, 3, 3) world rotations; changed in place.
            positions: (L, 22, 3) joints in the world.
            target: (L, 3); a leg too short for it points there.
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
    """The knee's inner angle for a distance from hip to ankle, by the law of cosines."""
    cosine = (upper**2 + lower**2 - far**2) / (2 * upper * lower)
    return torch.acos(cosine.clamp(-1, 1))


LEGS = (Leg(1, 4, 7, 0, 2, 4), Leg(2, 5, 8, 1, 3, 5))
"""Left, right."""
