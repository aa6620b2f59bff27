"""The space in which descriptors are compared: principal components of real clips."""

from dataclasses import dataclass

import torch
from torch import Tensor

COMPONENTS = 32

FLAT = 1e-3
"""Least spread by which a number is divided (metres, m/s, or standard deviations): what is
constant in the reference but for rounding must not count for more than what moves."""


@dataclass(frozen=True, eq=False)
class Space:
    """Coordinates fitted to a reference set.

    Attributes:
        mean: (N,) of the reference's descriptors.
        scale: (N,) their standard deviations.
        axes: (N, K) principal axes of the standardised descriptors.
        spread: (K + 1,) standard deviations along the axes, and of the distance from them.
        outside: mean distance of the reference from the axes.
    """

    mean: Tensor
    scale: Tensor
    axes: Tensor
    spread: Tensor
    outside: float

    @classmethod
    def fit(cls, descriptors: Tensor) -> "Space":
        """The space of (M, N) float64 descriptors: up to 32 components, fewer for M ≤ 64.

        Half of M at most, so that the covariance has full rank with room to spare.
        """
        mean, scale = descriptors.mean(0), descriptors.std(0).clamp(min=FLAT)
        standard = (descriptors - mean) / scale
        count = max(1, min(COMPONENTS, len(descriptors) // 2, descriptors.shape[1]))
        _, _, rows = torch.linalg.svd(standard, full_matrices=False)
        axes = rows[:count].T
        along = standard @ axes
        distance = (standard - along @ axes.T).norm(dim=1)
        spread = torch.cat((along.std(0), distance.std()[None]))
        return cls(
            mean=mean,
            scale=scale,
            axes=axes,
            spread=spread.clamp(min=FLAT),
            outside=float(distance.mean()),
        )

    def place(self, descriptors: Tensor) -> Tensor:
        """(M, K + 1) coordinates in units of the reference's standard deviations.

        The last is the distance from the axes: motions that no real clip resembles would
        otherwise be seen only by their shadow on the axes.
        """
        standard = (descriptors - self.mean) / self.scale
        along = standard @ self.axes
        distance = (standard - along @ self.axes.T).norm(dim=1, keepdim=True) - self.outside
        return torch.cat((along, distance), dim=1) / self.spread
