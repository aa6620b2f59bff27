"""Where a clip's ground is: under the balls of the feet that stand."""

from dataclasses import replace

import torch
from torch import Tensor

from hymotion.body.skeleton import SOLES
from hymotion.config import FPS
from hymotion.training.mocap.clip import Clip

BALLS = (2, 3)
"""The balls of the left and the right foot among the body's contacts."""

STANDING, SHARE = 0.30, 0.1
"""A ball of the foot slower than this, metres a second, and than this share of the pelvis'
speed on top, stands: whoever runs has no foot still for longer than a frame or two."""

FEWEST = 8
"""With fewer standing frames of either foot the lowest points tell the ground."""

LOW = 0.2
LOWEST = 0.05
DEEPEST = 0.08
"""So far at most the tips of the toes are under the ground; standing higher is on a step."""
FLESH = len(SOLES)
"""From here on the body's contacts are knees, hands, back and head."""

LYING = 0.05
"""Whose back, knees or hands come lower than this, metres, is on the ground with them."""

UPRIGHT = 0.93
TALL = 0.7
"""Who stands: cosine of the tilt of the pelvis, and its height over the lowest point, metres."""

STANDS = 3
"""Frames of standing that tell the ground."""

EASE = 5
"""Frames over which a lift comes and goes."""


def grounded(clip: Clip) -> Clip:
    """The clip on the ground at y = 0, whether it stands on its feet or lies.

    Our body's proportions are not the recorded one's: with the hands of a cartwheel on the
    ground the feet before and after it would stand a hand's breadth over it. So standing feet
    tell the ground, and while something is under it the body is lifted by as much.
    """
    up = clip.trans.new_tensor([0.0, 1.0, 0.0])
    clip = replace(clip, trans=clip.trans - up * ground_level(clip))
    heights, _ = clip.soles()
    feet, lowest = heights[:, :FLESH].amin(1), heights.amin(1)
    standing = (clip.rotations[:, 0, 1, 1] > UPRIGHT) & (clip.trans[:, 1] - lowest > TALL)
    if heights[:, FLESH:].amin() > LYING or int(standing.sum()) < STANDS:
        return clip
    drop = feet[standing].median().clamp(min=0)
    return replace(clip, trans=clip.trans + up * (_lift(drop - lowest) - drop)[:, None])


def _lift(depth: Tensor) -> Tensor:
    """(L,) smooth heights that are nowhere less than (L,) depths, nor than 0."""
    padded = torch.nn.functional.pad(
        depth.clamp(min=0)[None], (2 * EASE, 2 * EASE), mode="replicate"
    )
    peaks = padded.unfold(1, 2 * EASE + 1, 1).amax(2)
    weights = torch.hann_window(2 * EASE + 3, periodic=False, dtype=depth.dtype)[1:-1]
    lift: Tensor = peaks.unfold(1, 2 * EASE + 1, 1)[0] @ (weights / weights.sum())
    return lift


def ground_level(clip: Clip) -> Tensor:
    """Height () of the ground, metres.

    A quantile of standing balls, since our feet do not bend at the toes: at every step the tip
    of the toes dips under the ground that the ball stands on, and the lowest point would have
    the body float. Whoever stands on steps or rungs also starts or ends on the ground, so the
    quantile is low. Hands, knees and backs are never under the ground either.
    """
    heights, points = clip.soles()
    speed = torch.gradient(points[:, BALLS], dim=0)[0].norm(dim=-1) * FPS
    level = torch.tensor([1.0, 0.0, 1.0], dtype=speed.dtype)
    body = torch.gradient(clip.trans * level, dim=0)[0].norm(dim=-1) * FPS
    standing = heights[:, BALLS][speed < STANDING + SHARE * body[:, None]]
    lowest = torch.quantile(heights.amin(1), LOWEST)
    if len(standing) < FEWEST:
        return lowest
    flesh = torch.quantile(heights[:, FLESH:].amin(1), LOWEST)
    return torch.minimum(torch.quantile(standing, LOW).clamp(max=lowest + DEEPEST), flesh)
