"""Foot skate: how far feet slip while they are in contact."""

from hymotion.config import FPS
from hymotion.metrics.contact import FootContact

MILLIMETRES = 1000.0


def skate(contact: FootContact, *, fps: int) -> float | None:
    """Mean slip of the feet over the steps in which they touch, mm per frame of 1/30 s.

    None where no foot ever touches: nothing was measured, which is not the same as no skate.
    """
    if not contact.touching.any():
        return None
    slip = contact.slip[contact.touching].mean()
    return float(slip) * MILLIMETRES * fps / FPS
