"""Motions that exist: what each is like, which stand out, how far the set is from real ones."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from hymotion.body.motion import Motion
from hymotion.config import FPS
from hymotion.errors import MeasureError
from hymotion.export.retime import retimed
from hymotion.metrics.baseline import Baseline
from hymotion.metrics.descriptor import WINDOW
from hymotion.metrics.frechet import MIN_CLIPS, Distance, Reference
from hymotion.metrics.level import FIGURES, Level
from hymotion.metrics.moments import WindowSums
from hymotion.metrics.paired import PairedError, paired_error
from hymotion.metrics.quality import Quality, measure

SCHEMA = "hymo.measures/1"
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
    on_problem: Callable[[MeasureError], None] | None = None,
) -> SetReport:
    """Measure motions one by one, with none of them kept.

    Those of another frame rate are measured as they are at 30 a second, as the real ones are:
    jitter is a third difference over frames and is not comparable between frame rates.

    Args:
        motions: names, each once, and motions of 4 frames or more; those of fewer than 20 are
            left out of the distance.
        reference: to take the distance from.
        baseline: of the same reference.
        partner: gives the run of the same request to compare a motion with, by its name.
        on_problem: told of a motion that is too short, which is then left out, and of a partner
            of another length, without which the motion is then measured; None: it is raised.

    Raises:
        MeasureError: no motions could be measured; what `on_problem` is for without it.
    """
    scores: list[MotionScore] = []
    sums: list[WindowSums] = []
    tell = on_problem or _raise
    for name, motion in motions:
        usual = retimed(motion, FPS)
        try:
            quality = measure(usual)
            if quality.finite and usual.frames >= WINDOW:
                sums.append(reference.summary(usual))
        except MeasureError as error:
            tell(_named(name, error))
            continue
        score = MotionScore(name=name, frames=motion.frames, quality=quality, paired=None)
        if partner is not None and quality.finite:
            try:
                score = replace(score, paired=_paired(motion, partner(name)))
            except MeasureError as error:
                tell(_named(name, error))
        scores.append(score)
    if not scores:
        raise MeasureError(
            "no motions to measure",
            mend="Name a file, or a folder or batch with at least one",
            field="motions",
            value=0,
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


def _raise(error: MeasureError) -> None:
    raise error


def _named(name: str, error: MeasureError) -> MeasureError:
    """The error with the motion it is about: a set is long."""
    return MeasureError(
        f"{name}: {error.problem}", mend=error.mend, field=error.field, value=error.value
    )


def _paired(motion: Motion, other: Motion | None) -> PairedError | None:
    """How far a motion is from its partner; None without one that is finite."""
    if other is None or not np.isfinite(other.joints).all() or not np.isfinite(other.rot6d).all():
        return None
    return paired_error(other, motion)


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
