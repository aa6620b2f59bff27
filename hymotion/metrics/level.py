"""The quality of a set of motions: mean and quantiles of each measure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from hymotion.metrics.quality import Quality

FIGURES = ("skate", "penetration", "jitter")
"""The measures of one motion."""


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """The distribution of one measure over motions; None where no motion has it.

    Attributes:
        mean: over the motions.
        p50: median.
        p95: 95th percentile.
        count: number of motions that have the measure.
    """

    mean: float | None
    p50: float | None
    p95: float | None
    count: int

    @classmethod
    def of(cls, values: Iterable[float | None]) -> "Distribution":
        """The distribution of the values that are not None."""
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
        """The level of individually measured motions."""
        return cls(**{
            figure: Distribution.of(getattr(one, figure) for one in qualities) for figure in FIGURES
        })  # fmt: skip

    def ratio(self, real: "Level", figure: str) -> float | None:
        """The mean of a measure divided by that of real clips; None if either is missing."""
        ours: float | None = getattr(self, figure).mean
        theirs: float | None = getattr(real, figure).mean
        return ours / theirs if ours is not None and theirs else None
