"""What an evaluation found, as data."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from hymotion.metrics.baseline import Baseline
from hymotion.metrics.frechet import Distance
from hymotion.metrics.level import FIGURES, Level

SCHEMA = "hymo.evaluate/1"
REAL = ("held", "pairs", "noise", "quality", "real_distance", "noise_distance")
"""The figures of real clips that a report shows."""

CERTAIN = 1.959964
"""Standard deviations on either side that hold 95 % of a normal distribution."""


@dataclass(frozen=True, kw_only=True)
class Share:
    """How many of how many, with a 95 % interval (Wilson 1927); 0 of 0 is none at all."""

    right: int
    count: int

    @property
    def share(self) -> float:
        """Of 1."""
        return self.right / self.count if self.count else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Where the share of infinitely many would be."""
        if not self.count:
            return 0.0, 1.0
        weight = CERTAIN**2 / self.count
        middle = (self.share + weight / 2) / (1 + weight)
        spread = math.sqrt(self.share * (1 - self.share) * weight + weight**2 / 4) / (1 + weight)
        return max(0.0, middle - spread), min(1.0, middle + spread)

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        low, high = self.interval
        numbers = {"right": self.right, "count": self.count, "share": round(self.share, 4)}
        return numbers | {"low": round(low, 4), "high": round(high, 4)}


@dataclass(frozen=True, kw_only=True)
class ActionScore:
    """One action.

    Attributes:
        action: its name.
        frames: length of its motions.
        top1: recognised by the judge.
        taken_for: what it was taken for otherwise, how often, the most frequent first.
        skate: mean, mm per frame in contact; None where no foot touches.
        jitter: mean, m/s³; None where no motion is finite.
    """

    action: str
    frames: int
    top1: Share
    taken_for: Mapping[str, int]
    skate: float | None
    jitter: float | None


@dataclass(frozen=True, kw_only=True)
class PairScore:
    """One sequence of two.

    Attributes:
        first, second: the actions.
        both: both seen, in order.
        first_seen: the first one seen, whatever came after it.
    """

    first: str
    second: str
    both: Share
    first_seen: int


@dataclass(frozen=True, kw_only=True)
class Report:
    """The standard evaluation of a model.

    Attributes:
        model, mode, revision, trained: which one.
        steps, guidance, seeds: how it was sampled.
        reference: revision of the reference; distances of others cannot be compared.
        top1: of all actions.
        actions: by name.
        sequences: of all pairs.
        pairs: in the plan's order.
        failed: motions that were not finite; they count as not recognised.
        quality: of the motions of single actions.
        distance: of the same motions from the reference; None for fewer than 8.
        real: the figures of real clips and of noise.
        seconds: that sampling took.
    """

    model: str
    mode: str
    revision: str
    trained: bool
    steps: int
    guidance: float
    seeds: int
    reference: str
    top1: Share
    actions: tuple[ActionScore, ...]
    sequences: Share
    pairs: tuple[PairScore, ...]
    failed: int
    quality: Level
    distance: Distance | None
    real: Baseline
    seconds: float

    def ratio(self, figure: str) -> float | None:
        """The mean of skate, penetration or jitter over that of real clips; None without both."""
        return self.quality.ratio(self.real.quality, figure)

    def document(self) -> dict[str, Any]:
        """As `hymo evaluate --json` prints it."""
        real = asdict(self.real)
        return {
            "schema": SCHEMA,
            **asdict(self),
            "real": {name: real[name] for name in REAL},
            "top1": self.top1.document(),
            "sequences": self.sequences.document(),
            "actions": [asdict(one) | {"top1": one.top1.document()} for one in self.actions],
            "pairs": [asdict(one) | {"both": one.both.document()} for one in self.pairs],
            "ratios": {name: self.ratio(name) for name in FIGURES},
        }
