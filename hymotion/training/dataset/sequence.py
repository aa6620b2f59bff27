"""Two actions one after the other, spliced where their poses are alike."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from hymotion.training.dataset.augmentation import cropped, mismatch, respeeded, spliced
from hymotion.training.dataset.holding import LEAD, Sway, at_rest, held
from hymotion.training.dataset.labels import SHORTEST
from hymotion.training.dataset.sample import LONGEST, STEADY, Sample, mirror
from hymotion.training.mocap.clip import Clip

BLEND, LONG_BLEND = 12, 20
NEAR, FAR = 0.16, 0.28
"""Poses that differ by less, metres a joint, are blended over `BLEND` or `LONG_BLEND` frames.

Half a stride is 0.16 m; arms that come up into a fighter's guard, 0.28 m. Beyond that a pair is
dropped: with a lying body against a standing one it is 0.5 m and more.
"""

ATTEMPTS = 6
"""Pairs that are drawn for a sequence before it is given up."""

PLACES = 8
"""Cuts of a steady action that are compared."""

STRETCHES = ((45, 75), (45, 75), (60, 120), (90, 180))
"""Frames of a steady action's part; one is drawn."""

SPEEDS = (0.9, 1.0, 1.0, 1.1, 1.25)
UPRIGHT, LOW = 0.8, 0.12
STANDS_AFTER = 0.35
"""Share of the sequences that end with standing where the pose allows it."""

STANDS = (10, 60)


@dataclass(frozen=True, eq=False)
class Cut:
    """Two stretches and how far apart, metres a joint, their poses are where they meet."""

    first: Clip
    second: Clip
    apart: float

    @property
    def blend(self) -> int:
        """Frames to blend over."""
        return BLEND if self.apart <= NEAR else LONG_BLEND


@dataclass(frozen=True, eq=False)
class Pairing:
    """Draws sequences from the samples of one split.

    Attributes:
        firsts: samples that end upright on the ground, by action.
        seconds: samples that start upright on the ground, by action.
        sway: of who stands; None leaves lengths and speeds as they are, and adds no standing.
    """

    firsts: Sequence[Sequence[Sample]]
    seconds: Sequence[Sequence[Sample]]
    sway: Sway | None

    @classmethod
    def of(cls, samples: Sequence[Sample], sway: Sway | None) -> "Pairing":
        """All pairs of samples."""
        fitting = [s for s in samples if s.clip.frames <= LONGEST - SHORTEST or s.action in STEADY]
        firsts = [sample for sample in fitting if _stands(sample.clip, -1)]
        seconds = [sample for sample in fitting if _stands(sample.clip, 0)]
        return cls(_by_action(firsts), _by_action(seconds), sway)

    def draw(self, name: str, chance: random.Random) -> tuple[Sample | None, int]:
        """A sequence, or None if no pair drawn fits together, and the pairs that did not fit."""
        if not (self.firsts and self.seconds):
            return None, 0
        for dropped in range(ATTEMPTS):
            first, second = (
                self._part(group, chance, LONG_BLEND * 2) for group in (self.firsts, self.seconds)
            )
            cut = self._cut(first, second, chance)
            if cut is None:
                continue
            clip = spliced(cut.first, cut.second, blend=cut.blend).planted()
            clip = self._with_standing(clip, chance)
            clip = replace(clip, name=name)
            return Sample(clip, first.shows + second.shows, first.split), dropped
        return None, ATTEMPTS

    def _part(
        self, groups: Sequence[Sequence[Sample]], chance: random.Random, fewest: int
    ) -> Sample:
        """A sample of a drawn action, mirrored half of the time, at some speed."""
        sample = chance.choice(chance.choice(groups))
        if chance.random() < 0.5:
            sample = mirror(sample)
        speed = chance.choice(SPEEDS) if self.sway else 1.0
        if speed == 1.0 or sample.clip.frames < fewest * speed:
            return sample
        return replace(sample, clip=respeeded(sample.clip, speed))

    def _cut(self, first: Sample, second: Sample, chance: random.Random) -> "Cut | None":
        """Stretches of steady actions, cut where the poses are most alike; None if they are not."""
        lengths = [self._length(sample, chance) for sample in (first, second)]
        if sum(lengths) - BLEND > LONGEST or min(lengths) < LONG_BLEND:
            return None
        cuts: list[Cut] = []
        for _ in range(PLACES if {first.action, second.action} & STEADY else 1):
            one, two = (
                _stretch(sample.clip, length, chance)
                for sample, length in zip((first, second), lengths, strict=True)
            )
            cuts.append(Cut(one, two, mismatch(one, two, blend=BLEND)))
        best = min(cuts, key=lambda cut: cut.apart)
        return best if best.apart <= FAR else None

    @staticmethod
    def _length(sample: Sample, chance: random.Random) -> int:
        """All frames, or those of a stretch of a steady action."""
        if sample.action not in STEADY:
            return sample.clip.frames
        return min(sample.clip.frames, chance.randint(*chance.choice(STRETCHES)))

    def _with_standing(self, clip: Clip, chance: random.Random) -> Clip:
        if self.sway is None:
            return clip
        room = LONGEST - clip.frames
        after = min(chance.randint(*STANDS), room) if chance.random() < STANDS_AFTER else 0
        after = after if at_rest(clip, end=True) else 0
        before = min(chance.randint(0, LEAD), room - after) if at_rest(clip, end=False) else 0
        if not before + after:
            return clip
        start = chance.randrange(len(self.sway.turns))
        return held(clip, before=before, after=after, sway=self.sway, start=start).planted()


def _stretch(clip: Clip, length: int, chance: random.Random) -> Clip:
    start = chance.randrange(clip.frames - length + 1)
    return cropped(clip, start, start + length)


def _stands(clip: Clip, at: int) -> bool:
    """Whether the clip's first or last frame is upright with a foot on the ground."""
    few = cropped(clip, 0, 1) if at == 0 else cropped(clip, clip.frames - 1, clip.frames)
    upright = float(few.rotations[0, 0, 1, 1]) > UPRIGHT
    return upright and float(few.soles()[0].min()) < LOW


def _by_action(samples: Sequence[Sample]) -> list[list[Sample]]:
    groups: dict[str, list[Sample]] = {}
    for sample in samples:
        groups.setdefault(sample.action, []).append(sample)
    return [groups[action] for action in sorted(groups)]
