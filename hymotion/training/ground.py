"""Where a clip's ground is: under the balls of the feet that stand."""

import torch
from torch import Tensor

from hymotion.config import FPS
from hymotion.skeleton import SOLES
from hymotion.training.clip import Clip

BALLS = (2, 3)
"""The balls of the left and the right foot among the body's contacts."""

STANDING = 0.30
"""A ball of the foot slower than this, metres a second, stands."""

FEWEST = 8
"""With fewer standing frames of either foot the lowest points tell the ground."""

LOW = 0.2
LOWEST = 0.05
DEEPEST = 0.08
"""So far at most the tips of the toes are under the ground; standing higher is on a step."""
FLESH = len(SOLES)
"""From here on the body's contacts are knees, hands, back and head."""


def ground_level(clip: Clip) -> Tensor:
    """Height () of the ground, metres.

    A quantile of standing balls, since our feet do not bend at the toes: at every step the tip
    of the toes dips under the ground that the ball stands on, and the lowest point would have
    the body float. Whoever stands on steps or rungs also starts or ends on the ground, so the
    quantile is low. Hands, knees and backs are never under the ground either.
    """
    heights, points = clip.soles()
    speed = torch.gradient(points[:, BALLS], dim=0)[0].norm(dim=-1) * FPS
    standing = heights[:, BALLS][speed < STANDING]
    lowest = torch.quantile(heights.amin(1), LOWEST)
    if len(standing) < FEWEST:
        return lowest
    flesh = torch.quantile(heights[:, FLESH:].amin(1), LOWEST)
    level = torch.quantile(standing, LOW).clamp(max=lowest + DEEPEST)
    return torch.minimum(level, flesh)
