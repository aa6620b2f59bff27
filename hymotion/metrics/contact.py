"""When a foot is in contact with the ground, from one frame to the next."""

from dataclasses import dataclass

import torch
from torch import Tensor

from hymotion.body.skeleton import L_ANKLE, L_FOOT, R_ANKLE, R_FOOT, Skeleton
from hymotion.errors import MeasureError
from hymotion.metrics.surface import Surface

NEAR = 0.080
"""A sole point below this height may be on the ground, metres. Wide on purpose: a body of rigid
feet digs its toes in at each push, which puts the ground of the clip below its standing feet."""

RISE = 0.3
"""A sole point that rises or falls faster is on its way, m/s."""

FLAT = 0.040
LEVEL = 0.020
"""A foot stands beside the other one when its sole points differ by no more than FLAT in height
and its lowest by no more than LEVEL from the other's, metres."""

FEET = ((L_ANKLE, L_FOOT), (R_ANKLE, R_FOOT))
"""The joints of the left and of the right foot: heel and forefoot."""


@dataclass(frozen=True, eq=False)
class FootContact:
    """Contact of the left and the right foot in the L − 1 steps between frames.

    Attributes:
        touching: (L − 1, 2) bool.
        slip: (L − 1, 2) how far the foot slips in the step, metres; 0 where it is not touching.
    """

    touching: Tensor
    slip: Tensor


def foot_contact(surface: Surface, skeleton: Skeleton, *, fps: int) -> FootContact:
    """Which foot touches the ground in which step, and how far it slips meanwhile.

    A sole point (heel, ball, toe) is *near* in a step when it is below 80 mm at both its frames
    and neither rises nor falls faster than 0.3 m/s. A foot's slip is the least horizontal way of
    its near points, so that a foot that rolls from heel to toe, always with one point at rest,
    does not slip. The foot that slips less carries the body and touches. The other touches too
    when it has a near point, stands flat, and stands as high as the first. That leaves out the
    swinging leg, whose toe passes a centimetre or two above the ground in every human step; as
    feet are compared and speed is not capped, a body that glides counts in full however fast.

    Raises:
        MeasureError: the skeleton lacks sole points at the heels or the forefeet.
    """
    heights, steps = surface.heights, torch.diff(surface.points, dim=0)
    near = (heights[:-1] < NEAR) & (heights[1:] < NEAR) & (steps[..., 1].abs() * fps < RISE)
    ways = steps[..., (0, 2)].norm(dim=-1).where(near, torch.inf)
    middle = (heights[:-1] + heights[1:]) / 2
    feet = [_soles(skeleton, ankle) + _soles(skeleton, fore) for ankle, fore in FEET]
    slip = torch.stack([ways[:, foot].amin(1) for foot in feet], dim=1)
    low = torch.stack([middle[:, foot].amin(1) for foot in feet], dim=1)
    high = torch.stack([middle[:, foot].amax(1) for foot in feet], dim=1)
    beside = (high - low <= FLAT) & ((low - low.flip(1)).abs() <= LEVEL)
    touching = slip.isfinite() & (beside | (slip <= slip.flip(1)))
    return FootContact(touching=touching, slip=slip.where(touching, 0.0))


def _soles(skeleton: Skeleton, joint: int) -> list[int]:
    found = [index for index, one in enumerate(skeleton.contacts) if one.joint == joint]
    if not found:
        raise MeasureError(
            f"the skeleton has no sole point at {skeleton.names[joint]}",
            mend="Decode the motion with hymotion.BODY",
            field="skeleton",
            value=skeleton.names,
        )
    return found
