"""The Fréchet Motion Distance between two sets of motions. See docs/measures.md.

Our own definition: its numbers are compared with numbers of this code and of the same
reference set alone.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hymotion.errors import MeasureError
from hymotion.metrics.descriptor import describe
from hymotion.metrics.moments import Moments, clip_sums, frechet_distance
from hymotion.metrics.space import Space
from hymotion.motion import Motion

MIN_CLIPS = 8
"""Fewer clips say nothing about a spread between clips."""

RESAMPLES = 200
COVER = 0.95


@dataclass(frozen=True, kw_only=True)
class Distance:
    """A Fréchet Motion Distance with what it was measured on.

    Attributes:
        value: squared distance, in units of the reference's own standard deviations.
        low: lower end of the 95 % bootstrap interval.
        high: its upper end.
        clips: how many clips of each side, first the reference.
        windows: how many windows of each side.
        dimensions: of the space it was measured in.
    """

    value: float
    low: float
    high: float
    clips: tuple[int, int]
    windows: tuple[int, int]
    dimensions: int


@dataclass(frozen=True, eq=False)
class Reference:
    """A set of real clips and the space they span; sets of motions are measured against it.

    Attributes:
        clips: (windows, 558) descriptors of each clip.
        space: fitted on these alone.
    """

    clips: tuple[Tensor, ...]
    space: Space

    @classmethod
    def of(cls, motions: Iterable[Motion]) -> "Reference":
        """Fit the space to real clips.

        Raises:
            MeasureError: fewer than 8 clips, or a clip that is too short or not finite.
        """
        clips = tuple(_described(motions, "reference"))
        return cls(clips=clips, space=Space.fit(torch.cat(clips)))

    def distance(
        self, motions: Iterable[Motion], *, seed: int = 0, resamples: int = RESAMPLES
    ) -> Distance:
        """How far a set of motions is from the reference.

        Raises:
            MeasureError: fewer than 8 motions, or one that is too short or not finite.
        """
        others = _described(motions, "motions")
        return _distance(self.space, self.clips, others, seed=seed, resamples=resamples)

    def halves(self, *, seed: int = 0, resamples: int = RESAMPLES) -> Distance:
        """Real against real: one random half of the reference's clips against the other.

        The space is fitted to the first half alone: in a space that has seen both, the second
        would look nearer than any new motion can be. With half the clips a side this is
        rather more than a perfect generator would get.

        Raises:
            MeasureError: the reference has fewer than 16 clips.
        """
        generator = torch.Generator().manual_seed(seed)
        order = torch.randperm(len(self.clips), generator=generator).tolist()
        middle = len(order) // 2
        _check_count(middle, "reference")
        half = [self.clips[index] for index in order[:middle]]
        others = [self.clips[index] for index in order[middle:]]
        space = Space.fit(torch.cat(half))
        return _distance(space, half, others, seed=seed, resamples=resamples)


def _described(motions: Iterable[Motion], field: str) -> list[Tensor]:
    described = [describe(motion) for motion in motions]
    _check_count(len(described), field)
    return described


def _check_count(count: int, field: str) -> None:
    if count < MIN_CLIPS:
        raise MeasureError(
            f"{count} clips are too few for a distance",
            mend=f"Give at least {MIN_CLIPS} motions a side",
            field=field,
            value=count,
        )


def _distance(
    space: Space,
    reference: Sequence[Tensor],
    others: Sequence[Tensor],
    *,
    seed: int,
    resamples: int,
) -> Distance:
    real, made = ([space.place(clip) for clip in clips] for clips in (reference, others))
    sums = clip_sums(real), clip_sums(made)
    value = frechet_distance(Moments.of(sums[0]), Moments.of(sums[1]))
    generator = torch.Generator().manual_seed(seed)
    draws = torch.tensor(
        [
            frechet_distance(
                Moments.of(sums[0].resampled(generator)), Moments.of(sums[1].resampled(generator))
            )
            for _ in range(resamples)
        ],
        dtype=torch.float64,
    )
    # A resample has fewer distinct clips than its set, which lifts the distance. The spread of
    # the draws is what is wanted of them, so it is put around the value.
    tail = (1 - COVER) / 2
    spread = draws - draws.mean()
    return Distance(
        value=value,
        low=max(0.0, value + float(spread.quantile(tail))),
        high=value + float(spread.quantile(1 - tail)),
        clips=(len(real), len(made)),
        windows=(sum(map(len, real)), sum(map(len, made))),
        dimensions=real[0].shape[1],
    )
