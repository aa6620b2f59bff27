"""Ground penetration: how deep the body reaches below the ground it rests on."""

from hymotion.metrics.surface import Surface

MILLIMETRES = 1000.0


def penetration(surface: Surface) -> float:
    """Mean over the frames of how far the body's lowest point is below the ground, mm.

    Frames that stay above it count as 0. See `measure_surface` for where the ground is.
    """
    return float((-surface.heights.amin(1)).clamp(min=0).mean()) * MILLIMETRES
