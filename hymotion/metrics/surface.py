"""The body's surface in the world, and the height of the ground it rests on."""

from dataclasses import dataclass

from torch import Tensor

from hymotion.decoding.ground import soles
from hymotion.decoding.rows import FrameRows
from hymotion.errors import MeasureError
from hymotion.metrics.posed import PosedMotions

REST_SHARE = 0.10
"""The quantile, over the frames, of the lowest point that defines the ground."""


@dataclass(frozen=True, eq=False)
class Surface:
    """The points of a body that can touch the ground, over N frames of M motions; metres, float64.

    Attributes:
        rows: which frames belong to one motion.
        points: (N, C, 3) the skeleton's contact points in the world.
        heights: (N, C) heights above the ground of the flesh below each point (y − radius).
        ground: (M,) y of the ground: 0, or higher if the body rests higher; see `measure_surface`.
    """

    rows: FrameRows
    points: Tensor
    heights: Tensor
    ground: Tensor


def measure_surface(posed: PosedMotions) -> Surface:
    """The surface of motions; of no meaning where one is not finite.

    The decoder puts each motion's lowest point at y = 0, so no motion would ever go below y = 0:
    one frame with a foot 10 cm too low raises all other frames instead. The ground is therefore
    the 10th percentile over the frames of the lowest point, but at least y = 0, which is a
    motion's ground by definition.

    Raises:
        MeasureError: the skeleton has no contacts.
    """
    if not posed.skeleton.contacts:
        raise MeasureError(
            "the skeleton has no points that touch the ground",
            mend="Decode the motion with hymotion.BODY",
            field="skeleton",
            value=posed.skeleton.names,
        )
    rows = posed.rows
    levels, points = soles(posed.joints.double(), posed.turns, posed.skeleton)
    ground = rows.quantile(levels.amin(1), REST_SHARE).clamp(min=0)
    heights = levels - ground[rows.motion, None]
    return Surface(rows=rows, points=points, heights=heights, ground=ground)
