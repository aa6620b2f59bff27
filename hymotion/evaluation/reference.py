"""The clips of the reference: the same number for each action, with its typical length.

Real motion capture has 28 walks and one backflip. Models are evaluated equally often on every
action, so the reference has equally many clips of each. If there are too few, mirrored and
slightly faster or slower variants are added.
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace

from hymotion.body.motion import Motion
from hymotion.evaluation.plan import Act
from hymotion.evaluation.real_clips import BLEND, RealClip, decoded
from hymotion.training.dataset.augmentation import cropped, spliced

EACH = 8
"""Number of clips per action."""

SPEEDS = (1.0, 0.95, 1.05, 0.9)
"""Speeds of the added variants: four of the clip and four of its mirror image, 8 in all."""

FEWEST, MOST = 40, 150
"""Minimum and maximum frames of an evaluated motion."""


def typical_frames(clips: Sequence[RealClip]) -> int:
    """The median length of one action's clips, rounded to 5 frames, between 40 and 150."""
    middle = statistics.median(one.clip.frames for one in clips)
    return min(MOST, max(FEWEST, round(middle / 5) * 5))


def by_action(clips: Sequence[RealClip]) -> dict[str, list[RealClip]]:
    """The clips of each action, sorted by action, in their original order."""
    groups: dict[str, list[RealClip]] = {}
    for clip in sorted(clips, key=lambda one: one.action):
        groups.setdefault(clip.action, []).append(clip)
    return groups


def balanced(clips: Sequence[RealClip], *, each: int = EACH) -> list[RealClip]:
    """`each` clips of every action: recorded ones, evenly spaced in the table, then variants.

    Variants are added one kind at a time (all mirrored, then all at the next speed …), starting
    again if they do not suffice. Longer clips are cut to a middle part of typical length.
    """
    chosen: list[RealClip] = []
    for group in by_action(clips).values():
        frames = typical_frames(group)
        kinds = list(zip(*(tuple(one.variants(SPEEDS)) for one in group), strict=False))
        pool = [variant for kind in kinds for variant in kind]
        if len(group) > each:
            pool = [group[index * len(group) // each] for index in range(each)]
        repeated = pool * (each // len(pool) + 1)
        chosen.extend(_middle(one, frames) for one in repeated[:each])
    return chosen


def spliced_pair(
    clips: Mapping[str, Sequence[RealClip]], first: Act, second: Act, number: int
) -> Motion:
    """A sequence of two actions, spliced from the `number`-th recorded clip of each, cyclically."""
    parts = [
        _middle(clips[act.action][number % len(clips[act.action])], act.frames).clip
        for act in (first, second)
    ]
    return decoded(spliced(*parts, blend=BLEND))


def _middle(one: RealClip, frames: int) -> RealClip:
    extra = one.clip.frames - frames
    if extra <= 0:
        return one
    return replace(one, clip=cropped(one.clip, extra // 2, extra // 2 + frames))
