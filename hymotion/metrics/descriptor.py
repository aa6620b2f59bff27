"""Descriptors: what happens in a window of a clip, as one vector of fixed length."""

import math

import torch
from torch import Tensor

from hymotion.body.motion import Motion
from hymotion.errors import MeasureError
from hymotion.metrics.features import FEATURES, JOINTS, VELOCITIES, motion_features, windows

WINDOW = 20
"""Frames in a window: the shortest motion there is, so that every motion has one."""

STRIDE = 10

WAVES = 4
"""How many terms of the cosine transform describe a feature over the window."""

TREMOR_FLOOR = 0.02
"""Added to the tremor before its logarithm, m/s: the measuring noise of motion capture."""

NUMBERS = WAVES * FEATURES + JOINTS


def describe(motion: Motion) -> Tensor:
    """(windows, 558) float64: the windows of 20 frames, every 10, of a clip.

    Each of the 134 features gives the first 4 terms of its orthonormal DCT-II over the window
    (its mean, trend and bends), each joint log(r + 0.02 m/s) of the root mean square r of what the
    4 terms leave of its velocity: tremor, and whatever else is fast. The logarithm makes twice
    the tremor as visible in calm actions as in vigorous ones.

    Raises:
        MeasureError: fewer than 20 frames, or not finite.
    """
    if motion.frames < WINDOW:
        raise MeasureError(
            f"{motion.frames} frames are less than a window of {WINDOW}",
            mend=f"Leave motions of fewer than {WINDOW} frames out of the set",
            field="frames",
            value=motion.frames,
        )
    features = motion_features(motion).double()
    starts = windows(motion.frames, length=WINDOW, stride=STRIDE)
    clips = torch.stack([features[start : start + WINDOW] for start in starts])
    waves = cosines()
    terms = waves @ clips
    rest = (clips - waves.T @ terms)[..., VELOCITIES].reshape(len(clips), WINDOW, JOINTS, 3)
    tremor = rest.square().sum(-1).mean(1).sqrt()
    tremor = (tremor + TREMOR_FLOOR).log()
    return torch.cat((terms.flatten(1) / math.sqrt(WINDOW), tremor), dim=1)


def cosines() -> Tensor:
    """(4, 20) float64: the first rows of the orthonormal DCT-II."""
    order = torch.arange(WAVES, dtype=torch.float64)[:, None]
    place = torch.arange(WINDOW, dtype=torch.float64) + 0.5
    rows = torch.cos(math.pi / WINDOW * order * place) * math.sqrt(2 / WINDOW)
    rows[0] /= math.sqrt(2)
    return rows
