"""The Fréchet Motion Distance between two sets of motions. See docs/measures.md.

This is our own definition: compare its values only with values from this code and the same
reference set.
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
from hymotion.metrics.posed import PosedMotions
from hymotion.metrics.space import Space

MIN_CLIPS = 8
"""Minimum number of clips: fewer cannot estimate the spread between clips."""

RESAMPLES = 200
COVER = 0.95


@dataclass(frozen=True, kw_only=True)
class Distance:
    """A Fréchet Motion Distance with its sample sizes.

    Attributes:
        value: squared distance, in units of the reference's standard deviations.
        low: lower end of the 95 % bootstrap interval.
        high: its upper end.
        clips: number of clips on each side, the reference first.
        windows: number of windows on each side.
        dimensions: of the space in which it was measured.
    """

    value: float
    low: float
    high: float
    clips: tuple[int, int]
    windows: tuple[int, int]
    dimensions: int


@dataclass(frozen=True, eq=False)
class Reference:
    """Statistics of a set of real clips, against which sets of motions are measured.

    Attributes:
        space: fitted to these clips alone.
        sums: of each clip's windows in the space.
    """

    space: Space
    sums: ClipSums

    @classmethod
    def of(cls, motions: Iterable[Motion]) -> "Reference":
        """Fit the space to real clips.

        Raises:
            MeasureError: there are fewer than 8 clips, or a clip is too short or not finite.
        """
        return _reference([_described(motion) for motion in motions])

    @cached_property
    def revision(self) -> str:
        """12 hexadecimal digits that identify this reference.

        Distances from different references cannot be compared. A reference that is read back from
        its file has the same revision.
        """
        digest = hashlib.sha256()
        for tensor in (*self.space.tensors(), self.sums.count, self.sums.first, self.sums.second):
            digest.update(tensor.numpy().astype("<f4").tobytes())
        return digest.hexdigest()[:12]

    def summary(self, motion: Motion) -> WindowSums:
        """The sums over a motion that the distance needs, to collect until there are enough.

        Raises:
            MeasureError: the motion has fewer than 20 frames or is not finite.
        """
        [summary] = self.summaries(PosedMotions.of([motion])).split()
        return summary

    def summaries(self, posed: PosedMotions) -> ClipSums:
        """`summary` of each motion."""
        return ClipSums.of(self.space.place(describe(posed)))

    def distance(
        self, motions: Iterable[Motion], *, seed: int = 0, resamples: int = RESAMPLES
    ) -> Distance:
        """The distance of a set of motions from the reference.

        Raises:
            MeasureError: there are fewer than 8 motions, or one is too short or not finite.
        """
        sums = [self.summary(motion) for motion in motions]
        return self.distance_of(sums, seed=seed, resamples=resamples)

    def distance_of(
        self, sums: Sequence[WindowSums], *, seed: int = 0, resamples: int = RESAMPLES
    ) -> Distance:
        """The distance of motions given by their summaries from this reference.

        Raises:
            MeasureError: there are fewer than 8, or one has another number of dimensions.
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
        return _distance(self.sums, ClipSums.joined(sums), seed=seed, resamples=resamples)


def halves(motions: Iterable[Motion], *, seed: int = 0, resamples: int = RESAMPLES) -> Distance:
    """The distance between two random halves of a set of real clips.

    The space is fitted to the first half alone: in a space fitted to both, the second half would
    look nearer than any new motion can be. As each side has only half the clips, this distance is
    slightly larger than that of a perfect generator.

    Raises:
        MeasureError: there are fewer than 16 clips, or a clip is too short or not finite.
    """
    clips = [_described(motion) for motion in motions]
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(clips), generator=generator).tolist()
    middle = len(order) // 2
    reference = _reference([clips[index] for index in order[:middle]])
    others = ClipSums.of(reference.space.place([clips[index] for index in order[middle:]]))
    return reference.distance_of(others.split(), seed=seed, resamples=resamples)


def _reference(clips: Sequence[Tensor]) -> Reference:
    _check_count(len(clips), "reference")
    space = Space.fit(torch.cat(tuple(clips)))
    return Reference(space=space, sums=ClipSums.of(space.place(clips)))


def _described(motion: Motion) -> Tensor:
    [clip] = describe(PosedMotions.of([motion]))
    return clip


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
    # A resample has fewer distinct clips than its set, which increases the distance. Only the
    # spread of the resamples is used, centred on the value.
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
