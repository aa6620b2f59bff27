"""The quality of one motion, measured from the motion alone."""

from dataclasses import dataclass

import numpy as np
import torch

from hymotion.body.motion import Motion
from hymotion.config import FPS
from hymotion.errors import MeasureError
from hymotion.metrics.contact import FootContact, foot_contact
from hymotion.metrics.surface import Surface, measure_surface

ORDER = 3
"""Jerk is the third derivative of the position."""

MILLIMETRES = 1000.0


@dataclass(frozen=True, kw_only=True)
class Quality:
    """What a motion is like, whatever it shows.

    Attributes:
        finite: whether every number is finite; where not, nothing else is measured.
        skate: mm per frame while a foot is in contact; None where no foot ever is.
        penetration: mm below the ground, the mean over frames.
        jitter: mean jerk of the joints, m/s³.
    """

    finite: bool
    skate: float | None = None
    penetration: float | None = None
    jitter: float | None = None


def measure(motion: Motion) -> Quality:
    """The quality of a motion of at least four frames.

    Raises:
        MeasureError: fewer frames, or a skeleton whose feet have no soles.
    """
    arrays = (motion.rot6d, motion.trans, motion.joints)
    if not all(np.isfinite(array).all() for array in arrays):
        return Quality(finite=False)
    surface = measure_surface(motion)
    contact = foot_contact(surface, motion.skeleton, fps=motion.fps)
    return Quality(
        finite=True,
        skate=skate(contact, fps=motion.fps),
        penetration=penetration(surface),
        jitter=jitter(motion),
    )


def skate(contact: FootContact, *, fps: int) -> float | None:
    """Mean slip of the feet over the steps in which they touch, mm per frame of 1/30 s.

    None where no foot ever touches: nothing was measured, which is not the same as no skate.
    """
    if not contact.touching.any():
        return None
    slip = contact.slip[contact.touching].mean()
    return float(slip) * MILLIMETRES * fps / FPS


def penetration(surface: Surface) -> float:
    """Mean over the frames of how far the body's lowest point is below the ground, mm.

    Frames that stay above it count as 0. See `measure_surface` for where the ground is.
    """
    return float((-surface.heights.amin(1)).clamp(min=0).mean()) * MILLIMETRES


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
