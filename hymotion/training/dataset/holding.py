"""Standing before and after an action, so that a short take fills a longer motion.

A backflip of four seconds should show a person who stands, flips, and stands again. The pose at
the end is held: its movement fades within `SETTLE` frames, the feet stay in place, and arms and
back sway like those of a real standing person.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from hymotion.body.rotation import (
    axis_angle_from_matrix,
    matrix_from_axis_angle,
    matrix_from_quaternion,
    quaternion_from_matrix,
)
from hymotion.body.skeleton import BODY, SOLES
from hymotion.config import FPS
from hymotion.training.mocap.clip import Clip

SETTLE = 10
"""Frames over which the movement fades out."""

LAST = 4
"""Frames over which the movement at the end is measured."""

LEAD = 10
"""Maximum frames of standing before an action. With more, a model must guess when the action
begins and learns to stand instead, because most examples stand at any given time."""

UPRIGHT, TALL = 0.9, 0.7
SLOW, STILL = 1.1, 0.85
"""Maximum speeds of a movement that can fade, metres per second: mean over joints, and pelvis."""

STANDING = 0.06
"""Maximum height of both feet, metres, in a pose that can be held."""

STEADY = frozenset(
    ("Pelvis", "L_Hip", "R_Hip", "L_Knee", "R_Knee", "L_Ankle", "R_Ankle", "L_Foot", "R_Foot")
)
"""Joints without sway, so that standing feet do not slide."""


@dataclass(frozen=True, eq=False)
class Sway:
    """The sway of a standing person's upper body.

    Attributes:
        turns: (L, 22, 3, 3) local rotations relative to the first frame's, the legs' identity.
    """

    turns: Tensor

    @classmethod
    def of(cls, clip: Clip) -> "Sway":
        """The sway in a clip of a standing person."""
        turns = clip.rotations[0].mT @ clip.rotations
        legs = [at for at, name in enumerate(BODY.names) if name in STEADY]
        turns[:, legs] = torch.eye(3, dtype=turns.dtype)
        return cls(turns)

    def frames(self, count: int, start: int) -> Tensor:
        """(count, 22, 3, 3) relative to frame `start`, played back and forth if too short."""
        length = len(self.turns)
        at = (start + torch.arange(count + 1)) % (2 * length - 2)
        at = torch.where(at < length, at, 2 * length - 2 - at)
        turns = self.turns[at]
        relative: Tensor = turns[0].mT @ turns[1:]
        return relative


def at_rest(clip: Clip, *, end: bool) -> bool:
    """Whether the clip's start, or its end, is a standing pose that can be held."""
    part = slice(-LAST, None) if end else slice(0, LAST)
    at = -1 if end else 0
    few = replace(clip, rotations=clip.rotations[part], trans=clip.trans[part])
    speed = few.pose()[0].diff(dim=0).norm(dim=-1) * FPS
    heights = few.soles()[0][at, : len(SOLES)]
    # Contacts alternate between the sides: heels, balls, toes.
    feet = heights.reshape(-1, 2).amin(0)
    return bool(
        float(few.rotations[at, 0, 1, 1]) > UPRIGHT
        and float(few.trans[at, 1]) > TALL
        and float(speed.mean()) < SLOW
        and float(speed[:, 0].mean()) < STILL
        and float(feet.max()) < STANDING
    )


def held(clip: Clip, *, before: int, after: int, sway: Sway, start: int = 0) -> Clip:
    """The clip with its first pose held for `before` frames and its last for `after`.

    Args:
        clip: at rest at each end that is held.
        before: number of frames, may be 0.
        after: number of frames, may be 0.
        sway: of a standing person.
        start: first frame of the sway.
    """
    if after:
        clip = _held_after(clip, after, sway.frames(after, start))
    if before:
        clip = _reversed(_held_after(_reversed(clip), before, sway.frames(before, start + after)))
    return clip


def _reversed(clip: Clip) -> Clip:
    return replace(clip, rotations=clip.rotations.flip(0), trans=clip.trans.flip(0))


def _held_after(clip: Clip, count: int, sway: Tensor) -> Clip:
    last = min(LAST, clip.frames) - 1
    # The speed falls linearly to 0; the displacement is the cumulative sum of the speeds.
    shares = (1 - torch.arange(1, count + 1, dtype=torch.float64) / (SETTLE + 1)).clamp(min=0)
    way = shares.cumsum(0)
    turn = axis_angle_from_matrix(clip.rotations[-1 - last].mT @ clip.rotations[-1]) / last
    going = matrix_from_axis_angle(way[:, None, None] * turn)
    step = (clip.trans[-1] - clip.trans[-1 - last]) / last
    rotations = clip.rotations[-1] @ going @ sway
    # Products of many rotations drift from orthogonality; quaternions restore it.
    rotations = matrix_from_quaternion(quaternion_from_matrix(rotations))
    return replace(
        clip,
        rotations=torch.cat((clip.rotations, rotations)),
        trans=torch.cat((clip.trans, clip.trans[-1] + way[:, None] * step)),
    )
