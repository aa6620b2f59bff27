"""Temporal smoothing: Gaussian average of rotations, Savitzky–Golay filter of translation."""

from functools import lru_cache

import torch
from torch import Tensor

from hymotion.body.rotation import nearest_rotation
from hymotion.decoding.rows import FrameRows, weighted

SIGMA = 1.0
RADIUS = 4
"""Standard deviation and radius of the Gaussian over rotations, in frames."""

WINDOW = 11
ORDER = 5
"""Window, in frames, and polynomial order of the translation filter."""


def gaussian_average(values: Tensor, rows: FrameRows, *, sigma: float, radius: int) -> Tensor:
    """Gaussian average over time of (N, …), σ and radius in frames, edges repeated."""
    index = torch.arange(-radius, radius + 1, dtype=values.dtype, device=values.device)
    weights = torch.exp(-0.5 * (index / sigma) ** 2)
    weights /= weights.sum()
    return weighted(values, rows.around(radius), weights.expand(len(values), -1))


def smooth_rotations(matrices: Tensor, rows: FrameRows) -> Tensor:
    """Gaussian average over time of rotations (N, J, 3, 3), σ = 1 frame, radius 4, edges repeated.

    Each result is the eigenvector of Σ w q qᵀ with the largest eigenvalue (Markley et al. 2007),
    which is the rotation nearest to the average of the matrices.
    """
    return nearest_rotation(gaussian_average(matrices, rows, sigma=SIGMA, radius=RADIUS))


def smooth_translation(trans: Tensor, rows: FrameRows) -> Tensor:
    """Savitzky–Golay filter (1964) of (N, C) over time, window 11, order 5, motions of L ≥ 11.

    Each frame takes the value of the polynomial fitted to the window around it; the first and
    last five frames are evaluated on the polynomial of the first and the last whole window.
    """
    half = WINDOW // 2
    middle = rows.index.clamp(rows.first + half, rows.last - half)
    window = middle[:, None] + torch.arange(-half, half + 1, device=trans.device)
    return weighted(trans, window, _fit(trans.device)[rows.index - middle + half])


@lru_cache(maxsize=16)
def _fit(device: torch.device) -> Tensor:
    """(11, 11) weights of a window's values in the fitted polynomial at each place, float64."""
    half = WINDOW // 2
    place = torch.arange(-half, half + 1, dtype=torch.float64)
    powers = place[:, None] ** torch.arange(ORDER + 1, dtype=torch.float64)
    fit: Tensor = powers @ torch.linalg.pinv(powers)
    return fit.to(device)
