"""The quality of a set of motions: mean and quantiles of each figure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from hymotion.metrics.quality import Quality

FIGURES = ("skate", "penetration", "jitter")
"""What is measured of one motion."""


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """A figure over motions; None where no motion has it.

    Attributes:
        mean: of the motions.
        p50: half of them have less.
        p95: 95 % of them have less.
        count: motions that have the figure.
    """

    mean: float | None
    p50: float | None
    p95: float | None
    count: int

    @classmethod
    def of(cls, values: Iterable[float | None]) -> "Distribution":
        """The spread of the values that are there."""
        there = [value for value in values if value is not None]
        if not there:
            return cls(mean=None, p50=None, p95=None, count=0)
        middle, high = (float(np.quantile(there, share)) for share in (0.5, 0.95))
        return cls(mean=float(np.mean(there)), p50=middle, p95=high, count=len(there))


@dataclass(frozen=True, kw_only=True)
class Level:
    """Quality over a set of motions.

    Attributes:
        skate: mm per frame while a foot is in contact.
        penetration: mm.
        jitter: m/s³.
    """

    skate: Distribution
    penetration: Distribution
    jitter: Distribution

    @classmethod
    def of(cls, qualities: Sequence[Quality]) -> "Level":
        """The level of motions that were measured one by one."""
        return cls(**{
            figure: Distribution.of(getattr(one, figure) for one in qualities) for figure in FIGURES
        })  # fmt: skip

    def ratio(self, real: "Level", figure: str) -> float | None:
        """The mean of a figure over the same of real clips; None without both."""
        ours: float | None = getattr(self, figure).mean
        theirs: float | None = getattr(real, figure).mean
        return ours / theirs if ours is not None and theirs else None
