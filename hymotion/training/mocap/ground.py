"""Finding a clip's ground, which is under the balls of the standing feet."""

from dataclasses import replace

import torch
from torch import Tensor

from hymotion.body.skeleton import SOLES
from hymotion.config import FPS
from hymotion.training.mocap.clip import Clip

BALLS = (2, 3)
"""Indices of the balls of the left and the right foot in the body's contacts."""

STANDING, SHARE = 0.30, 0.1
"""A ball of the foot stands if it is slower than this, metres per second, plus this fraction of the
pelvis' speed: a runner's feet are still for only a frame or two."""

FEWEST = 8
"""Minimum number of standing frames of either foot; with fewer, the lowest points count."""

LOW = 0.2
LOWEST = 0.05
DEEPEST = 0.08
"""Maximum depth of the toe tips under the ground; feet that stand higher are on a step."""
FLESH = len(SOLES)
"""The body's contacts from this index on are knees, hands, back and head."""

LYING = 0.05
"""Back, knees or hands below this height, metres, rest on the ground."""

UPRIGHT = 0.93
TALL = 0.7
"""Limits for standing: cosine of the pelvis' tilt; its height over the lowest point, metres."""

STANDS = 3
"""Minimum frames of standing that define the ground."""

EASE = 5
"""Frames over which a lift fades in and out."""


def grounded(clip: Clip) -> Clip:
    """The clip moved to put the ground at y = 0, for standing and lying bodies.

    Our body's proportions differ from the recorded one's: if a cartwheel's hands were on the
    ground, the feet before and after it would stand a hand's breadth above it. So standing feet
    define the ground, and the body is lifted while any part of it is below.
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
    """(L,) smooth heights that are never below `depth` (L,) or 0."""
    padded = torch.nn.functional.pad(
        depth.clamp(min=0)[None], (2 * EASE, 2 * EASE), mode="replicate"
    )
    peaks = padded.unfold(1, 2 * EASE + 1, 1).amax(2)
    weights = torch.hann_window(2 * EASE + 3, periodic=False, dtype=depth.dtype)[1:-1]
    lift: Tensor = peaks.unfold(1, 2 * EASE + 1, 1)[0] @ (weights / weights.sum())
    return lift


def ground_level(clip: Clip) -> Tensor:
    """Height () of the ground, metres.

    A quantile of the heights of standing balls of the feet. Our feet do not bend at the toes, so
    the toe tips dip below the ground at every step, and with the lowest point as ground the body
    would float. The quantile is low because clips with steps or rungs also start or end on the
    ground. Hands, knees and back are never below the ground either.
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
