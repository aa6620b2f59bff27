"""The quality of one motion, measured from the motion alone."""

from dataclasses import dataclass

import numpy as np

from hymotion.body.motion import Motion
from hymotion.metrics.contact import foot_contact
from hymotion.metrics.jitter import jitter
from hymotion.metrics.penetration import penetration
from hymotion.metrics.skate import skate
from hymotion.metrics.surface import measure_surface


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
