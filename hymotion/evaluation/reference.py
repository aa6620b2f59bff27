"""The clips of the reference: as many of each action, as long as is typical of it.

Real motion capture has 28 walks and one backflip. Models are evaluated on every action as often
as on any other, so the reference has as many clips of each; where there are too few, mirrored
and slightly faster or slower variants stand in.
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace

from hymotion.body.motion import Motion
from hymotion.evaluation.plan import Act
from hymotion.evaluation.real_clips import BLEND, RealClip, decoded
from hymotion.training.dataset.augmentation import cropped, spliced

EACH = 8
"""Clips of an action."""

SPEEDS = (1.0, 0.95, 1.05, 0.9)
"""Variants that stand in: four speeds of the clip and of its mirror image, 8 in all."""

FEWEST, MOST = 40, 150
"""Frames that an evaluated motion has at least and at most."""


def typical_frames(clips: Sequence[RealClip]) -> int:
    """The median length of clips of one action, to 5 frames, between 40 and 150."""
    middle = statistics.median(one.clip.frames for one in clips)
    return min(MOST, max(FEWEST, round(middle / 5) * 5))


def by_action(clips: Sequence[RealClip]) -> dict[str, list[RealClip]]:
    """The clips of each action, actions by name, clips in their order."""
    groups: dict[str, list[RealClip]] = {}
    for clip in sorted(clips, key=lambda one: one.action):
        groups.setdefault(clip.action, []).append(clip)
    return groups


def balanced(clips: Sequence[RealClip], *, each: int = EACH) -> list[RealClip]:
    """`each` clips of every action: recorded ones, evenly spaced in the table, then variants.

    Variants come a kind at a time (all mirrored, then all at the next speed …); kinds start again
    where they do not suffice. Longer clips are cut to the middle of typical length.
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
    """A sequence of two made of recorded clips, the `number`-th of each action in turn."""
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
