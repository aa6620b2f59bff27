"""When a foot is in contact with the ground, from one frame to the next."""

from dataclasses import dataclass

import torch
from torch import Tensor

from hymotion.errors import MeasureError
from hymotion.metrics.surface import Surface
from hymotion.skeleton import L_ANKLE, L_FOOT, R_ANKLE, R_FOOT, Skeleton

NEAR = 0.030
"""A sole point below this height is near the ground, metres."""

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


def foot_contact(surface: Surface, skeleton: Skeleton) -> FootContact:
    """Which foot touches the ground in which step, and how far it slips meanwhile.

    A sole point (heel, ball, toe) is *near* in a step when it is below 30 mm at both its
    frames. A foot's slip is the least horizontal way of its near points, so that a foot that
    rolls from heel to toe, always with one point at rest, does not slip. A foot touches when
    it has a near point and either stands flat (heel and forefoot near) or slips no more than
    the other foot does. The last condition leaves out the toe of the swinging leg, which passes
    a centimetre or two above the ground in every human step; as it compares feet instead of
    capping the speed, a body that glides over the ground counts in full however fast it is.

    Raises:
        MeasureError: the skeleton lacks sole points at the heels or the forefeet.
    """
    near = (surface.heights[:-1] < NEAR) & (surface.heights[1:] < NEAR)
    ways = (surface.points[1:] - surface.points[:-1])[..., (0, 2)].norm(dim=-1)
    ways = ways.where(near, torch.inf)
    slips, flats = [], []
    for ankle, forefoot in FEET:
        heel, fore = _soles(skeleton, ankle), _soles(skeleton, forefoot)
        slips.append(ways[:, heel + fore].amin(1))
        flats.append(near[:, heel].any(1) & near[:, fore].any(1))
    slip, flat = torch.stack(slips, dim=1), torch.stack(flats, dim=1)
    touching = slip.isfinite() & (flat | (slip <= slip.flip(1)))
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
