"""The space in which descriptors are compared: principal components fitted to real clips."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

COMPONENTS = 32

FLAT = 1e-3
"""Lower bound of the spread that a value is divided by (metres, m/s, or standard deviations), so
that values that are constant in the reference up to rounding do not dominate."""

FAR = 5.0
"""Values are clipped to this many standard deviations from the mean, so that one bad frame of
motion capture does not dominate the distance of a thousand windows."""


@dataclass(frozen=True, eq=False)
class Space:
    """Coordinates fitted to a reference set.

    Attributes:
        mean: (N,) of the reference's descriptors.
        scale: (N,) their standard deviations.
        axes: (N, K) principal axes of the standardised descriptors.
        centre: (K + 1,) means along the axes and of the log distance from their subspace.
        spread: (K + 1,) standard deviations of the same.
    """

    mean: Tensor
    scale: Tensor
    axes: Tensor
    centre: Tensor
    spread: Tensor

    @classmethod
    def fit(cls, descriptors: Tensor) -> "Space":
        """The space of (M, N) float64 descriptors: up to 32 components, fewer for M ≤ 64.

        At most M / 2, so that the covariance has full rank by a wide margin.
        """
        mean, scale = descriptors.mean(0), descriptors.std(0).clamp(min=FLAT)
        standard = ((descriptors - mean) / scale).clamp(-FAR, FAR)
        count = max(1, min(COMPONENTS, len(descriptors) // 2, descriptors.shape[1]))
        _, _, rows = torch.linalg.svd(standard - standard.mean(0), full_matrices=False)
        axes = rows[:count].T
        raw = _coordinates(standard, axes)
        return cls(
            mean=mean,
            scale=scale,
            axes=axes,
            centre=raw.mean(0),
            spread=raw.std(0).clamp(min=FLAT),
        )

    def tensors(self) -> tuple[Tensor, ...]:
        """All tensors, in the order of the attributes."""
        return self.mean, self.scale, self.axes, self.centre, self.spread

    def place(self, clips: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """(W, K + 1) coordinates of the descriptors (W, N) of each clip's windows.

        They are in units of the reference's standard deviations.

        The last is the log distance from the axes' subspace: otherwise a motion unlike any real
        clip would count only by its projection.
        """
        standard = ((torch.cat(tuple(clips)) - self.mean) / self.scale).clamp(-FAR, FAR)
        placed = (_coordinates(standard, self.axes) - self.centre) / self.spread
        return placed.split_with_sizes([len(clip) for clip in clips])


def _coordinates(standard: Tensor, axes: Tensor) -> Tensor:
    along = standard @ axes
    distance = (standard - along @ axes.T).norm(dim=1, keepdim=True)
    return torch.cat((along, (distance + FLAT).log()), dim=1)
