"""Descriptors: the movement in a window of a clip as a vector of fixed length."""

import math
from itertools import accumulate

import torch
from torch import Tensor

from hymotion.errors import MeasureError
from hymotion.metrics.features import FEATURES, JOINTS, VELOCITIES, motion_features, windows
from hymotion.metrics.posed import PosedMotions

WINDOW = 20
"""Frames in a window: the length of the shortest motion, so that every motion has a window."""

STRIDE = 10

WAVES = 4
"""Number of terms of the cosine transform that describe a feature over the window."""

TREMOR_FLOOR = 0.02
"""Added to the tremor before taking its logarithm, m/s: the noise of motion capture."""

NUMBERS = WAVES * FEATURES + JOINTS


def describe(posed: PosedMotions) -> tuple[Tensor, ...]:
    """(windows, 558) float64 of each motion: descriptors of windows of 20 frames, every 10 frames.

    Each of the 134 features contributes the first 4 terms of its orthonormal DCT-II over the
    window (mean, trend and curvature). Each joint contributes log(r + 0.02 m/s), where r is the
    root mean square of the velocity that the 4 terms do not describe: tremor and other fast
    movement. The logarithm makes doubled tremor as visible in calm as in vigorous actions.

    Raises:
        MeasureError: a motion has fewer than 20 frames or is not finite.
    """
    lengths = posed.rows.lengths
    if min(lengths) < WINDOW:
        raise MeasureError(
            f"{min(lengths)} frames are less than a window of {WINDOW}",
            mend=f"Leave motions of fewer than {WINDOW} frames out of the set",
            field="frames",
            value=min(lengths),
        )
    starts = [windows(frames, length=WINDOW, stride=STRIDE) for frames in lengths]
    begins = accumulate(lengths[:-1], initial=0)
    rows = [begin + start for begin, some in zip(begins, starts, strict=True) for start in some]
    windowed = torch.tensor(rows)[:, None] + torch.arange(WINDOW)
    clips = motion_features(posed).double()[windowed]
    waves = cosines().expand(len(clips), -1, -1)
    terms = waves @ clips
    rest = clips[..., VELOCITIES].baddbmm(waves.mT, terms[..., VELOCITIES], alpha=-1)
    tremor = rest.square().mean(1).reshape(-1, JOINTS, 3).sum(2).sqrt()
    tremor = (tremor + TREMOR_FLOOR).log()
    described = torch.cat((terms.flatten(1) / math.sqrt(WINDOW), tremor), dim=1)
    return described.split_with_sizes([len(some) for some in starts])


def cosines() -> Tensor:
    """(4, 20) float64: the first rows of the orthonormal DCT-II."""
    order = torch.arange(WAVES, dtype=torch.float64)[:, None]
    place = torch.arange(WINDOW, dtype=torch.float64) + 0.5
    rows = torch.cos(math.pi / WINDOW * order * place) * math.sqrt(2 / WINDOW)
    rows[0] /= math.sqrt(2)
    return rows
