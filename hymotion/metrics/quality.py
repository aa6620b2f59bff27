"""The quality of motions, each without reference to its prompt or to real motions."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from hymotion.body.motion import Motion
from hymotion.config import FPS
from hymotion.decoding.rows import FrameRows
from hymotion.errors import MeasureError
from hymotion.metrics.contact import FootContact, foot_contact
from hymotion.metrics.posed import PosedMotions
from hymotion.metrics.surface import Surface, measure_surface

ORDER = 3
"""Jerk is the third derivative of the position."""

MILLIMETRES = 1000.0


@dataclass(frozen=True, kw_only=True)
class Quality:
    """The quality of a motion, independent of its action.

    Attributes:
        finite: whether all values are finite; if not, nothing else is measured.
        skate: mm per frame while a foot is in contact; None without any contact.
        penetration: mm below the ground, mean over the frames.
        jitter: mean jerk of the joints, m/s³.
    """

    finite: bool
    skate: float | None = None
    penetration: float | None = None
    jitter: float | None = None


def measure(motion: Motion) -> Quality:
    """The quality of a motion of at least four frames.

    Raises:
        MeasureError: the motion is shorter, or its skeleton has no sole points.
    """
    [quality] = measure_all(PosedMotions.of([motion]))
    return quality


def measure_all(posed: PosedMotions) -> list[Quality]:
    """The quality of each motion; raises the errors of `measure`."""
    finite = posed.finite(posed.rot6d, posed.trans, posed.joints)
    surface = measure_surface(posed)
    contact = foot_contact(surface, posed.skeleton, fps=posed.fps)
    figures = torch.stack(
        (
            skate(contact, surface.rows, fps=posed.fps),
            penetration(surface),
            jitter(posed),
        ),
        dim=1,
    )
    return [
        Quality(
            finite=True,
            skate=None if math.isnan(slip) else slip,
            penetration=depth,
            jitter=jerk,
        )
        if whole
        else Quality(finite=False)
        for whole, (slip, depth, jerk) in zip(finite.tolist(), figures.tolist(), strict=True)
    ]


def skate(contact: FootContact, rows: FrameRows, *, fps: int) -> Tensor:
    """(M,) mean slip of the feet over the steps with contact, mm per frame of 1/30 s.

    NaN without any contact, because nothing was measured, which is not the same as no skate.
    """
    slip, steps = (rows.total(each.sum(1)) for each in (contact.slip, contact.touching))
    return slip / steps * MILLIMETRES * fps / FPS


def penetration(surface: Surface) -> Tensor:
    """(M,) mean depth of the body's lowest point below the ground over the frames, mm.

    Frames above the ground count as 0. See `measure_surface` for the height of the ground.
    """
    return surface.rows.mean((-surface.heights.amin(1)).clamp(min=0)) * MILLIMETRES


def jitter(posed: PosedMotions) -> Tensor:
    """(M,) mean over joints and frames of the length of the jerk, m/s³.

    The jerk is the third difference of the world positions times fps³. It is not normalised by
    speed or size, so vigorous actions have more of it than calm ones. Compare only like with like:
    a generated kick with real kicks from the same decoder, whose smoothing reduces the jerk.

    Raises:
        MeasureError: a motion has fewer than four frames.
    """
    shortest = min(posed.rows.lengths)
    if shortest <= ORDER:
        raise MeasureError(
            f"{shortest} frames have no jerk",
            mend="Give a motion of at least four frames",
            field="frames",
            value=shortest,
        )
    motion = posed.rows.motion
    jerk = torch.diff(posed.joints.double(), n=ORDER, dim=0) * float(posed.fps) ** ORDER
    inside = motion[ORDER:] == motion[:-ORDER]
    return posed.rows.mean(jerk.norm(dim=-1).mean(1).where(inside, 0.0), without=ORDER)
