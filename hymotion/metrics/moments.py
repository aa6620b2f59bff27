"""Mean and covariance of windows, from sums over clips; the distance between Gaussians."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

OVERLAP = 2
"""Windows overlap by half, so only about one in two is independent."""


@dataclass(frozen=True, eq=False)
class WindowSums:
    """Sums over the windows of one clip, which are all that a Fréchet distance needs of it.

    Attributes:
        count: number of windows.
        total: (D,) sum of the coordinates, float64.
        outer: (D, D) sum of their products, float64.
    """

    count: int
    total: Tensor
    outer: Tensor


@dataclass(frozen=True, eq=False)
class ClipSums:
    """Sums over the windows of each of C clips, so that resampling need not visit windows.

    Attributes:
        count: (C,) number of windows.
        first: (C, D) sums of the coordinates.
        second: (C, D, D) sums of their products.
    """

    count: Tensor
    first: Tensor
    second: Tensor

    @classmethod
    def of(cls, clips: Sequence[Tensor]) -> "ClipSums":
        """The sums over the windows (windows, D) of each of one clip or more."""
        windows = pad_sequence(list(clips), batch_first=True)
        return cls(
            count=torch.tensor([len(clip) for clip in clips], dtype=torch.float64),
            first=windows.sum(1),
            second=windows.mT @ windows,
        )

    @classmethod
    def joined(cls, clips: Sequence[WindowSums]) -> "ClipSums":
        """The sums of one clip or more, from each clip's own."""
        return cls(
            count=torch.tensor([clip.count for clip in clips], dtype=torch.float64),
            first=torch.stack([clip.total for clip in clips]),
            second=torch.stack([clip.outer for clip in clips]),
        )

    def split(self) -> list[WindowSums]:
        """The sums of each clip."""
        counts = self.count.long().tolist()
        return [WindowSums(*each) for each in zip(counts, self.first, self.second, strict=True)]

    def resampled(self, generator: torch.Generator) -> "ClipSums":
        """The total of C clips drawn with replacement.

        Whole clips are drawn, because a clip's windows are correlated. They are weighted rather
        than copied, as thousands of clips are drawn hundreds of times.
        """
        index = torch.randint(len(self.count), (len(self.count),), generator=generator)
        times = torch.bincount(index, minlength=len(self.count)).double()
        second = times @ self.second.flatten(1)
        return ClipSums(
            count=(times @ self.count)[None],
            first=(times @ self.first)[None],
            second=second.reshape(1, *self.second.shape[1:]),
        )


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean (D,) and covariance (D, D) of a set of windows, float64."""

    mean: Tensor
    covariance: Tensor

    @classmethod
    def of(cls, sums: ClipSums) -> "Moments":
        """Moments with a shrunk covariance; see `shrunk`."""
        count = sums.count.sum()
        mean = sums.first.sum(0) / count
        covariance = sums.second.sum(0) / count - torch.outer(mean, mean)
        return cls(mean=mean, covariance=shrunk(covariance, float(count) / OVERLAP))


def shrunk(covariance: Tensor, samples: float) -> Tensor:
    """Oracle approximating shrinkage of a covariance (D, D) towards a multiple of the identity.

    Chen, Wiesel, Eldar & Hero 2010, equation 23: the weight tends to 0 with more samples, and the
    result has full rank even with fewer samples than dimensions.
    """
    size = len(covariance)
    trace = covariance.trace()
    squares = covariance.square().sum()
    above = (1 - 2 / size) * squares + trace**2
    below = (samples + 1 - 2 / size) * (squares - trace**2 / size)
    weight = torch.where(below > 0, (above / below.clamp(min=1e-300)).clamp(max=1), 1.0)
    target = torch.eye(size, dtype=covariance.dtype) * trace / size
    return (1 - weight) * covariance + weight * target


def frechet_distance(one: Moments, other: Moments) -> float:
    """Squared Fréchet distance of two Gaussians (Dowson & Landau 1982).

    |m₁ − m₂|² + tr(C₁ + C₂ − 2 (C₁^½ C₂ C₁^½)^½). This symmetric form has real eigenvalues; those
    that rounding makes negative are set to 0.
    """
    values, vectors = torch.linalg.eigh(one.covariance)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    product = root @ other.covariance @ root
    mixed = torch.linalg.eigvalsh((product + product.T) / 2).clamp(min=0).sqrt().sum()
    means = (one.mean - other.mean).square().sum()
    total = means + one.covariance.trace() + other.covariance.trace() - 2 * mixed
    return max(0.0, float(total))
