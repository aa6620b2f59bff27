"""Standing before and after an action, so that a short take fills a longer motion.

Whoever asks for a backflip of four seconds should see someone who stands, flips, and stands
again. The pose at the end is held: its movement dies down within `SETTLE` frames, the feet stay
where they are, and arms and back sway as those of someone real who stands.
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
"""Frames within which the movement dies down."""

LAST = 4
"""Frames whose movement is taken for that of the end."""

LEAD = 10
"""Frames of standing before an action, at most. A model that must also guess when the action
begins learns to stand instead: most of its examples stand at any one time."""

UPRIGHT, TALL = 0.9, 0.7
SLOW, STILL = 1.1, 0.85
"""Metres a second: the mean of all joints, and the pelvis, of whose movement can die down."""

STANDING = 0.06
"""Both feet are lower than this, metres, where a pose can be held."""

STEADY = frozenset(
    ("Pelvis", "L_Hip", "R_Hip", "L_Knee", "R_Knee", "L_Ankle", "R_Ankle", "L_Foot", "R_Foot")
)
"""Joints that a sway leaves alone: whose feet stand does not slide."""


@dataclass(frozen=True, eq=False)
class Sway:
    """How the upper body of someone who stands moves.

    Attributes:
        turns: (L, 22, 3, 3) local rotations relative to the first frame's, the legs' identity.
    """

    turns: Tensor

    @classmethod
    def of(cls, clip: Clip) -> "Sway":
        """That of a clip of someone standing."""
        turns = clip.rotations[0].mT @ clip.rotations
        legs = [at for at, name in enumerate(BODY.names) if name in STEADY]
        turns[:, legs] = torch.eye(3, dtype=turns.dtype)
        return cls(turns)

    def frames(self, count: int, start: int) -> Tensor:
        """(count, 22, 3, 3) relative to frame `start`, to and fro where it is too short."""
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
        clip: at rest where it is held.
        before: frames, may be 0.
        after: frames, may be 0.
        sway: of who stands.
        start: the sway's first frame.
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
    # Speed falls evenly to 0: the way is what is left of the speeds, added up.
    shares = (1 - torch.arange(1, count + 1, dtype=torch.float64) / (SETTLE + 1)).clamp(min=0)
    way = shares.cumsum(0)
    turn = axis_angle_from_matrix(clip.rotations[-1 - last].mT @ clip.rotations[-1]) / last
    going = matrix_from_axis_angle(way[:, None, None] * turn)
    step = (clip.trans[-1] - clip.trans[-1 - last]) / last
    rotations = clip.rotations[-1] @ going @ sway
    # Products of many rotations drift from being one; quaternions bring them back.
    rotations = matrix_from_quaternion(quaternion_from_matrix(rotations))
    return replace(
        clip,
        rotations=torch.cat((clip.rotations, rotations)),
        trans=torch.cat((clip.trans, clip.trans[-1] + way[:, None] * step)),
    )
