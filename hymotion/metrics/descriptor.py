"""Descriptors: the movement in a window of a clip as a vector of fixed length."""

import math

import torch
from torch import Tensor

from hymotion.body.motion import Motion
from hymotion.errors import MeasureError
from hymotion.metrics.features import FEATURES, JOINTS, VELOCITIES, motion_features, windows

WINDOW = 20
"""Frames in a window: the length of the shortest motion, so that every motion has a window."""

STRIDE = 10

WAVES = 4
"""Number of terms of the cosine transform that describe a feature over the window."""

TREMOR_FLOOR = 0.02
"""Added to the tremor before taking its logarithm, m/s: the noise of motion capture."""

NUMBERS = WAVES * FEATURES + JOINTS


def describe(motion: Motion) -> Tensor:
    """(windows, 558) float64: descriptors of a clip's windows of 20 frames, every 10 frames.

    Each of the 134 features contributes the first 4 terms of its orthonormal DCT-II over the
    window (mean, trend and curvature). Each joint contributes log(r + 0.02 m/s), where r is the
    root mean square of the velocity that the 4 terms do not describe: tremor and other fast
    movement. The logarithm makes doubled tremor as visible in calm as in vigorous actions.

    Raises:
        MeasureError: the clip has fewer than 20 frames or is not finite.
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
