"""Smoothing over time: rotations by a Gaussian average, translation by Savitzky–Golay."""

import torch
from torch import Tensor

from hymotion.body.rotation import davenport, matrix_from_quaternion

SIGMA = 1.0
RADIUS = 4
"""The Gaussian over rotations, in frames."""

WINDOW = 11
ORDER = 5
"""The polynomial fit of the translation: frames and degree."""


def gaussian_average(values: Tensor, *, sigma: float, radius: int) -> Tensor:
    """Gaussian average over time of (L, …), σ and radius in frames, edges repeated."""
    index = torch.arange(-radius, radius + 1).to(values)
    weights = torch.exp(-0.5 * (index / sigma) ** 2)
    first, last = (end.expand(radius, *values.shape[1:]) for end in (values[:1], values[-1:]))
    windows = torch.cat((first, values, last)).unfold(0, 2 * radius + 1, 1)
    return windows @ (weights / weights.sum())


def smooth_rotations(matrices: Tensor) -> Tensor:
    """Gaussian average over time of rotations (L, J, 3, 3), σ = 1 frame, radius 4, edges repeated.

    Each result is the largest eigenvector of Σ w q qᵀ (Markley et al. 2007). q qᵀ is linear in
    the matrix, so the matrices are averaged and one batched `eigh` does the rest; quaternion
    signs, which q qᵀ does not see, need no care.
    """
    average = gaussian_average(matrices, sigma=SIGMA, radius=RADIUS)
    # eigh sorts its eigenvalues in ascending order.
    _, vectors = torch.linalg.eigh(davenport(average))
    return matrix_from_quaternion(vectors[..., -1])


def smooth_translation(trans: Tensor) -> Tensor:
    """Savitzky & Golay 1964 over time of (L, C), window 11, order 5, L ≥ 11.

    Each frame takes the value at its place of the polynomial fitted to the window around it;
    the first and last five frames take theirs from the first and the last whole window.
    """
    half = WINDOW // 2
    place = torch.arange(-half, half + 1, dtype=trans.dtype, device=trans.device)
    powers = place[:, None] ** torch.arange(ORDER + 1, dtype=trans.dtype, device=trans.device)
    fit = powers @ torch.linalg.pinv(powers)
    middle = trans.unfold(0, WINDOW, 1) @ fit[half]
    return torch.cat((fit[:half] @ trans[:WINDOW], middle, fit[half + 1 :] @ trans[-WINDOW:]))
