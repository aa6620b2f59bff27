"""The camera: beside and in front of the person, slightly above."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]

ASIDE = np.radians(50.0)
"""Angle from the person's initial facing direction to the camera, which is on their right, so that
walking forward goes to the right of the picture and the front is visible."""

ABOVE = np.radians(14.0)
"""Elevation of the camera, so that the ground appears as a plane."""

UP = np.array([0.0, 1.0, 0.0])
FIRST_FRAMES = 10
LEFT_SIDES, RIGHT_SIDES = [1, 16], [2, 17]
"""Hips and shoulders."""


@dataclass(frozen=True, eq=False)
class Camera:
    """A parallel projection: sizes in the picture do not depend on the distance.

    Attributes:
        right, up, away: (3,) unit vectors in the world: the picture's axes and the depth axis.
    """

    right: Points
    up: Points
    away: Points

    @classmethod
    def beside(cls, points: Points) -> "Camera":
        """The camera for a motion's points (L, P, 3)."""
        ahead = facing(points)
        left = np.cross(UP, ahead)
        towards = np.cos(ASIDE) * ahead - np.sin(ASIDE) * left
        return cls(
            right=np.cross(UP, towards),
            up=np.cos(ABOVE) * UP - np.sin(ABOVE) * towards,
            away=-(np.cos(ABOVE) * towards + np.sin(ABOVE) * UP),
        )

    def project(self, points: Points) -> Points:
        """(…, 3) metres in the world → (…, 3) right, up, away, metres."""
        return points @ np.stack((self.right, self.up, self.away), axis=1)


def facing(points: Points) -> Points:
    """(3,) horizontal unit vector: the initial facing direction, from hips and shoulders.

    If the person lies on their side, the mean over the whole clip is used; +Z if that is
    undefined too.
    """
    for frames in (points[:FIRST_FRAMES], points):
        across = (frames[:, LEFT_SIDES] - frames[:, RIGHT_SIDES]).mean(axis=(0, 1))
        ahead = np.cross(across, UP)
        length = float(np.linalg.norm(ahead))
        if length > 0.05:
            return np.asarray(ahead / length)
    return np.array([0.0, 0.0, 1.0])
