"""The Fréchet Motion Distance between two sets of motions. See docs/measures.md.

Our own definition: its numbers are compared with numbers of this code and of the same
reference set alone.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from hymotion.body.motion import Motion
from hymotion.errors import MeasureError
from hymotion.metrics.descriptor import describe
from hymotion.metrics.moments import ClipSums, Moments, WindowSums, frechet_distance
from hymotion.metrics.space import Space

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
    """Statistics of a set of real clips; sets of motions are measured against it.

    Attributes:
        space: fitted on these clips alone.
        sums: of each clip's windows in the space.
    """

    space: Space
    sums: ClipSums

    @classmethod
    def of(cls, motions: Iterable[Motion]) -> "Reference":
        """Fit the space to real clips.

        Raises:
            MeasureError: fewer than 8 clips, or a clip that is too short or not finite.
        """
        return _reference([describe(motion) for motion in motions])

    @cached_property
    def revision(self) -> str:
        """12 hexadecimal digits that tell this reference from any other.

        Distances of different references cannot be compared. A reference read back from its
        file has the revision it was written with.
        """
        digest = hashlib.sha256()
        for tensor in (*self.space.tensors(), self.sums.count, self.sums.first, self.sums.second):
            digest.update(tensor.numpy().astype("<f4").tobytes())
        return digest.hexdigest()[:12]

    def summary(self, motion: Motion) -> WindowSums:
        """What the distance needs to know of a motion, to keep until there are enough.

        Raises:
            MeasureError: fewer than 20 frames, or not finite.
        """
        return WindowSums.of(self.space.place(describe(motion)))

    def distance(
        self, motions: Iterable[Motion], *, seed: int = 0, resamples: int = RESAMPLES
    ) -> Distance:
        """How far a set of motions is from the reference.

        Raises:
            MeasureError: fewer than 8 motions, or one that is too short or not finite.
        """
        sums = [self.summary(motion) for motion in motions]
        return self.distance_of(sums, seed=seed, resamples=resamples)

    def distance_of(
        self, sums: Sequence[WindowSums], *, seed: int = 0, resamples: int = RESAMPLES
    ) -> Distance:
        """The same of summaries that this reference made; each stands for one motion.

        Raises:
            MeasureError: fewer than 8, or made by a reference of another number of dimensions.
        """
        _check_count(len(sums), "motions")
        for one in sums:
            if one.outer.shape != self.sums.second.shape[1:]:
                raise MeasureError(
                    f"a summary of {len(one.total)} dimensions was not made by this reference",
                    mend="Measure the motions again with this reference",
                    field="sums",
                    value=len(one.total),
                )
        return _distance(self.sums, ClipSums.of(sums), seed=seed, resamples=resamples)


def halves(motions: Iterable[Motion], *, seed: int = 0, resamples: int = RESAMPLES) -> Distance:
    """Real against real: one random half of the clips against the other.

    The space is fitted to the first half alone: in a space that has seen both, the second
    would look nearer than any new motion can be. With half the clips a side this is rather
    more than a perfect generator would get.

    Raises:
        MeasureError: fewer than 16 clips, or a clip that is too short or not finite.
    """
    clips = [describe(motion) for motion in motions]
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(clips), generator=generator).tolist()
    middle = len(order) // 2
    reference = _reference([clips[index] for index in order[:middle]])
    others = [WindowSums.of(reference.space.place(clips[index])) for index in order[middle:]]
    return reference.distance_of(others, seed=seed, resamples=resamples)


def _reference(clips: Sequence[Tensor]) -> Reference:
    _check_count(len(clips), "reference")
    space = Space.fit(torch.cat(tuple(clips)))
    sums = ClipSums.of([WindowSums.of(space.place(clip)) for clip in clips])
    return Reference(space=space, sums=sums)


def _check_count(count: int, field: str) -> None:
    if count < MIN_CLIPS:
        raise MeasureError(
            f"{count} clips are too few for a distance",
            mend=f"Give at least {MIN_CLIPS} motions a side",
            field=field,
            value=count,
        )


def _distance(real: ClipSums, made: ClipSums, *, seed: int, resamples: int) -> Distance:
    value = frechet_distance(Moments.of(real), Moments.of(made))
    generator = torch.Generator().manual_seed(seed)
    draws = torch.tensor(
        [
            frechet_distance(
                Moments.of(real.resampled(generator)), Moments.of(made.resampled(generator))
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
        clips=(len(real.count), len(made.count)),
        windows=(int(real.count.sum()), int(made.count.sum())),
        dimensions=real.first.shape[1],
    )
