"""Jitter: the mean jerk of the joints."""

import torch

from hymotion.body.motion import Motion
from hymotion.errors import MeasureError

ORDER = 3
"""Jerk is the third derivative of the position."""


def jitter(motion: Motion) -> float:
    """Mean over joints and frames of the length of the jerk, m/s³.

    The jerk is the third difference of the world positions times fps³. It is not divided by
    speed or size: vigorous actions have more of it than calm ones, so compare like with
    like, a generated kick with real kicks that went through the same decoder (whose smoothing
    takes part of the jerk away).

    Raises:
        MeasureError: fewer than four frames.
    """
    if motion.frames <= ORDER:
        raise MeasureError(
            f"{motion.frames} frames have no jerk",
            mend="Give a motion of at least four frames",
            field="frames",
            value=motion.frames,
        )
    positions = torch.from_numpy(motion.joints).double()
    jerk = torch.diff(positions, n=ORDER, dim=0) * float(motion.fps) ** ORDER
    return float(jerk.norm(dim=-1).mean())
