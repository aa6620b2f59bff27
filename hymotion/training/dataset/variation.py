"""Variants of a training segment: mirrored, at other speeds, chained, repeated, with standing."""

import random
from collections.abc import Iterator
from dataclasses import replace

from hymotion.training.dataset.augmentation import (
    chained,
    cropped,
    cycle_mismatch,
    mismatch,
    respeeded,
    spliced,
)
from hymotion.training.dataset.holding import LAST, LEAD, Sway, at_rest, held
from hymotion.training.dataset.labels import SHORTEST
from hymotion.training.dataset.sample import CYCLIC, GAITS, LONGEST, STEADY, Sample, mirror
from hymotion.training.mocap.clip import Clip

SPEEDS = (0.8, 0.9, 1.0, 1.1, 1.25)
GAIT_SPEEDS = (0.9, 1.0, 1.1)
"""A walk a quarter faster would be another action's speed."""

CHAINS = (60, 90, 120, 180, 240, 300, 360)
CHAIN_BLEND = 8
CHAINED = 40
"""Chains of an action on either side, spread over its segments."""

REPEATED = frozenset(
    {"backflip", "sideflip", "cartwheel", "roll", "kick", "spin_kick", "punch", "squat", "bend"}
    | {"jump_up", "jump_forward", "spin", "shoot_basketball", "wave", "drink", "sit_and_stand"}
)
"""Actions that may be done more than once."""

REPEATS = 0.4
"""Share of the longer variants that repeat the action where there is room."""

FARTHEST = 0.15
"""Mean distance of the joints, metres, over which two poses are not blended."""

REPEAT_BLEND = 12
LENGTHS = (40, 180)
"""Frames of longer variants."""

LONGER = 50
"""Longer variants an action."""

REST_BLEND = 20
FARTHEST_REST = 0.28
"""An action that does not end at rest goes over into its own first pose within so many frames,
where the joints are no farther apart, metres in the mean."""


def varied(sample: Sample, longer: int, sway: Sway, chance: random.Random) -> Iterator[Sample]:
    """Variants of a training sample.

    Args:
        sample: one segment.
        longer: how many variants to make of it that are longer than the take.
        sway: of who stands.
        chance: what to draw with.
    """
    for side in (sample, mirror(sample)):
        for speed in GAIT_SPEEDS if sample.action in GAITS else SPEEDS:
            clip = side.clip if speed == 1.0 else respeeded(side.clip, speed)
            if clip.frames >= SHORTEST:
                yield replace(side, clip=cropped(clip, 0, min(clip.frames, LONGEST)))
        yield from _chains(side, -(-CHAINED * longer // LONGER), chance)
    if sample.action not in CYCLIC and sample.action not in STEADY:
        for number in range(longer):
            side = sample if number % 2 == 0 else mirror(sample)
            long = _longer(side, sway, chance)
            if long is not None:
                yield replace(side, clip=replace(long, name=f"{side.clip.name}_l{number}"))


def _chains(sample: Sample, many: int, chance: random.Random) -> Iterator[Sample]:
    if sample.action not in CYCLIC:
        return
    shortest = CYCLIC[sample.action]
    # A chain needs a cycle, its blend, and some choice of where to begin.
    if sample.clip.frames < shortest + CHAIN_BLEND + 3:
        shortest = shortest * 2 // 3
    if sample.clip.frames < shortest + CHAIN_BLEND:
        return
    if cycle_mismatch(sample.clip, shortest=shortest, blend=CHAIN_BLEND) > FARTHEST:
        return
    chain = chained(sample.clip, frames=CHAINS[-1], shortest=shortest, blend=CHAIN_BLEND)
    chain = chain.planted()
    for frames in sorted(chance.sample(CHAINS, min(many, len(CHAINS)))):
        clip = cropped(chain, 0, frames)
        yield replace(sample, clip=replace(clip, name=f"{sample.clip.name}_c{frames}"))


def _longer(sample: Sample, sway: Sway, chance: random.Random) -> Clip | None:
    """The sample's clip, repeated or with standing around it; None where neither is possible."""
    clip = _at_a_speed(sample.clip, chance)
    shortest = max(LENGTHS[0], clip.frames + SHORTEST // 2)
    if shortest > LONGEST:
        return None
    frames = chance.randint(shortest, max(LENGTHS[1], min(shortest + 60, LONGEST)))
    if sample.action in REPEATED and chance.random() < REPEATS:
        clip = _repeated(sample.clip, clip, frames, chance)
    left = min(frames, LONGEST) - clip.frames
    longer = clip.name != sample.clip.name
    start = chance.randrange(len(sway.turns))
    if left > 0 and at_rest(clip, end=False):
        before = chance.randint(0, min(LEAD, left))
        first = cropped(clip, 0, LAST)
        clip = held(clip, before=before, after=0, sway=sway, start=start)
        left, longer = left - before, longer or before > 0
        rest = held(first, before=left + REST_BLEND, after=0, sway=sway, start=start)
        if not at_rest(clip, end=True) and _fits(clip, rest):
            joined = spliced(clip, rest, blend=REST_BLEND)
            return cropped(joined, 0, clip.frames + left).planted()
    if left > 0 and at_rest(clip, end=True):
        clip = held(clip, before=0, after=left, sway=sway, start=start)
        longer = True
    return clip.planted() if longer else None


def _fits(clip: Clip, rest: Clip) -> bool:
    """Whether the clip can go over into rest."""
    return (
        min(clip.frames, rest.frames) >= REST_BLEND
        and mismatch(clip, rest, blend=REST_BLEND) <= FARTHEST_REST
    )


def _at_a_speed(clip: Clip, chance: random.Random) -> Clip:
    speed = chance.choice(SPEEDS)
    return replace(respeeded(clip, speed), name=clip.name)


def _repeated(one: Clip, clip: Clip, frames: int, chance: random.Random) -> Clip:
    """The clip, again and again at several speeds while it fits and its end is like its start."""
    while True:
        again = _at_a_speed(one, chance)
        if clip.frames + again.frames - REPEAT_BLEND > frames:
            return clip
        if mismatch(clip, again, blend=REPEAT_BLEND) > FARTHEST:
            return clip
        clip = spliced(clip, again, blend=REPEAT_BLEND)
