"""Drawing shaded rods and balls with several strokes on top of each other."""

from dataclasses import dataclass

import numpy as np
from PIL import ImageDraw

from hymotion.picture.colours import Colour, mixed

Place = tuple[float, float]

DARK, WHITE = (20, 24, 32), (255, 255, 255)

STROKES = ((1.0, 0.62, 0.0), (0.84, 0.24, 0.06), (0.62, 0.0, 0.14), (0.30, -0.28, 0.30))
"""Strokes from the rim inwards: fraction of the radius, darkness (negative: lightness), and shift
towards the light in radii. The dark rim separates crossing limbs."""

LIGHT = (-0.55, -0.83)
"""Direction to the light in the picture (x right, y down): up and to the left."""


@dataclass(frozen=True)
class Rod:
    """A tapered rod in the picture, in pixels; a ball if both ends are the same.

    Attributes:
        start, end: (x, y) of the ends.
        thick, thin: radii at start and end.
        away: distance from the viewer, for the drawing order.
        colour: of its lit side.
    """

    start: Place
    end: Place
    thick: float
    thin: float
    away: float
    colour: Colour


def draw_bodies(draw: ImageDraw.ImageDraw, bodies: list[list[Rod]]) -> None:
    """Draw bodies of one or more rods, the farthest first; a body has one common rim."""
    for body in sorted(bodies, key=lambda rods: -sum(rod.away for rod in rods) / len(rods)):
        for stroke in STROKES:
            for rod in body:
                _draw_stroke(draw, rod, stroke)


def _draw_stroke(draw: ImageDraw.ImageDraw, rod: Rod, stroke: tuple[float, float, float]) -> None:
    share, dark, shift = stroke
    colour = mixed(rod.colour, DARK if dark > 0 else WHITE, abs(dark))
    radii = (rod.thick, rod.thin)
    start, end = (
        (x + LIGHT[0] * shift * radius, y + LIGHT[1] * shift * radius)
        for (x, y), radius in zip((rod.start, rod.end), radii, strict=True)
    )
    draw_rod(draw, (start, end), (radii[0] * share, radii[1] * share), colour)


def draw_rod(
    draw: ImageDraw.ImageDraw,
    ends: tuple[Place, Place],
    radii: tuple[float, float],
    fill: Colour | int,
    *,
    flat: float = 1.0,
) -> None:
    """Draw one rod with round ends in one colour.

    Args:
        ends: start and end, pixels.
        radii: of the ends, pixels.
        flat: ratio of the ends' height to their width; below 1 for shapes on the ground.
    """
    for (x, y), radius in zip(ends, radii, strict=True):
        draw.ellipse((x - radius, y - radius * flat, x + radius, y + radius * flat), fill=fill)
    # The sides are tangents of both circles, unless one circle contains the other. A flat rod is
    # a round rod in a stretched picture, compressed again.
    (start, end), (thick, thin) = ends, radii
    along = np.array([end[0] - start[0], (end[1] - start[1]) / flat])
    length = float(np.hypot(*along))
    if length <= abs(thick - thin):
        return
    sine = (thick - thin) / length
    axis = along / length
    normal = np.array([-axis[1], axis[0]])
    corners = []
    for side, order in ((1, 1), (-1, -1)):
        touch = axis * sine + side * normal * np.sqrt(1 - sine**2)
        around = [(start, thick), (end, thin)][::order]
        corners += [(x + touch[0] * r, y + touch[1] * r * flat) for (x, y), r in around]
    draw.polygon(corners, fill=fill)
