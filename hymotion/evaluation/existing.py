"""Motions that exist: what each is like, which stand out, how far the set is from real ones."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from hymotion.errors import MeasureError
from hymotion.metrics.baseline import Baseline
from hymotion.metrics.descriptor import WINDOW
from hymotion.metrics.frechet import MIN_CLIPS, Distance, Reference
from hymotion.metrics.level import Level
from hymotion.metrics.moments import WindowSums
from hymotion.metrics.paired import PairedError, paired_error
from hymotion.metrics.quality import Quality, measure
from hymotion.motion import Motion

SCHEMA = "hymo.measures/1"
FIGURES = ("skate", "penetration", "jitter")
FENCE = 3.0
"""Interquartile ranges above the third quartile from where a motion stands out (Tukey 1977)."""

FEWEST = 8
"""In fewer motions nothing is said to stand out."""


@dataclass(frozen=True, kw_only=True)
class MotionScore:
    """One motion.

    Attributes:
        name: as given.
        frames: its length.
        quality: measured from it alone.
        paired: distance from the motion of the same name; None without one.
        stands_out: figures that are far above those of the other motions, or "not finite".
    """

    name: str
    frames: int
    quality: Quality
    paired: PairedError | None
    stands_out: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SetReport:
    """A set of motions.

    Attributes:
        reference: revision of the reference.
        motions: in the order given.
        quality: of all that are finite.
        distance: from the reference, of those that are finite and have 20 frames or more; None
            for fewer than 8 of them.
        real: the figures of real clips.
        unpaired: names that have no partner to compare with, or none that is finite.
    """

    reference: str
    motions: tuple[MotionScore, ...]
    quality: Level
    distance: Distance | None
    real: Baseline
    unpaired: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """As `hymo evaluate --json` prints it."""
        return {
            "schema": SCHEMA,
            "reference": self.reference,
            "motions": [asdict(one) for one in self.motions],
            "quality": asdict(self.quality),
            "distance": asdict(self.distance) if self.distance else None,
            "real": {
                "quality": asdict(self.real.quality),
                "real_distance": asdict(self.real.real_distance),
                "noise_distance": asdict(self.real.noise_distance),
            },
            "unpaired": self.unpaired,
        }


def evaluate_motions(
    motions: Iterable[tuple[str, Motion]],
    *,
    reference: Reference,
    baseline: Baseline,
    partner: Callable[[str], Motion | None] | None = None,
) -> SetReport:
    """Measure motions one by one, with none of them kept.

    Args:
        motions: names, each once, and motions of 4 frames or more; those of fewer than 20 are
            left out of the distance.
        reference: to take the distance from.
        baseline: of the same reference.
        partner: gives the run of the same request to compare a motion with, by its name.

    Raises:
        MeasureError: no motions, one too short, or a partner of another length.
    """
    scores: list[MotionScore] = []
    sums: list[WindowSums] = []
    for name, motion in motions:
        try:
            score = _score(name, motion, partner(name) if partner is not None else None)
            if score.quality.finite and motion.frames >= WINDOW:
                sums.append(reference.summary(motion))
        except MeasureError as error:
            # A set is long; which of its motions it was must be said.
            problem = f"{name}: {error.problem}"
            raise MeasureError(
                problem, mend=error.mend, field=error.field, value=error.value
            ) from error
        scores.append(score)
    if not scores:
        raise MeasureError(
            "no motions to measure", mend="Name at least one", field="motions", value=0
        )
    outlying = _standing_out({one.name: one.quality for one in scores})
    return SetReport(
        reference=reference.revision,
        motions=tuple(replace(one, stands_out=outlying.get(one.name, ())) for one in scores),
        quality=Level.of([one.quality for one in scores if one.quality.finite]),
        distance=reference.distance_of(sums) if len(sums) >= MIN_CLIPS else None,
        real=baseline,
        unpaired=tuple(one.name for one in scores if partner is not None and one.paired is None),
    )


def _score(name: str, motion: Motion, other: Motion | None) -> MotionScore:
    quality = measure(motion)
    comparable = quality.finite and other is not None and measure(other).finite
    return MotionScore(
        name=name,
        frames=motion.frames,
        quality=quality,
        paired=paired_error(other, motion) if other is not None and comparable else None,
    )


def _standing_out(qualities: Mapping[str, Quality]) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {
        name: ["not finite"] for name, one in qualities.items() if not one.finite
    }
    for figure in FIGURES:
        values = {name: getattr(one, figure) for name, one in qualities.items()}
        there = {name: value for name, value in values.items() if value is not None}
        fence = _fence(list(there.values()))
        for name, value in there.items():
            if value > fence:
                found.setdefault(name, []).append(figure)
    return {name: tuple(figures) for name, figures in found.items()}


def _fence(values: Sequence[float]) -> float:
    if len(values) < FEWEST:
        return float("inf")
    low, high = np.quantile(values, (0.25, 0.75))
    return float(high + FENCE * (high - low))
