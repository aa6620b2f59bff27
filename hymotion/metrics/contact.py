"""Foot contact with the ground between successive frames."""

from dataclasses import dataclass

import torch
from torch import Tensor

from hymotion.body.skeleton import L_ANKLE, L_FOOT, R_ANKLE, R_FOOT, Skeleton
from hymotion.errors import MeasureError
from hymotion.metrics.surface import Surface

NEAR = 0.080
"""A sole point below this height, metres, may be in contact. The margin is wide because rigid feet
dig their toes in at each push-off, which puts the clip's ground below its standing feet."""

RISE = 0.3
"""A sole point that rises or falls faster than this, m/s, is not in contact."""

FLAT = 0.040
LEVEL = 0.020
"""The second foot also stands if its sole points differ by at most FLAT in height, and its lowest
point differs by at most LEVEL from that of the first, metres."""

FEET = ((L_ANKLE, L_FOOT), (R_ANKLE, R_FOOT))
"""The joints of the left and the right foot: ankle for the heel, foot for the forefoot."""


@dataclass(frozen=True, eq=False)
class FootContact:
    """Contact of the left and the right foot in the N − 1 steps between frames.

    Attributes:
        touching: (N − 1, 2) bool; false in the step from one motion to the next.
        slip: (N − 1, 2) horizontal slip of the foot in the step, metres; 0 without contact.
    """

    touching: Tensor
    slip: Tensor


def foot_contact(surface: Surface, skeleton: Skeleton, *, fps: int) -> FootContact:
    """Contact and slip of each foot in each step between frames.

    A sole point (heel, ball, toe) is *near* in a step if it is below 80 mm in both frames and
    neither rises nor falls faster than 0.3 m/s. A foot's slip is the smallest horizontal
    displacement of its near points, so a foot that rolls from heel to toe does not slip. The foot
    with the smaller slip supports the body and is in contact. The other is in contact too if it
    has a near point, is flat, and is level with the first. This excludes the swinging foot, whose
    toe passes a centimetre or two above the ground in every human step. Because feet are compared
    and speed is not limited, a gliding body counts in full at any speed.

    Raises:
        MeasureError: the skeleton lacks sole points at the heels or the forefeet.
    """
    feet = [_soles(skeleton, ankle) + _soles(skeleton, fore) for ankle, fore in FEET]
    soles, counts = torch.tensor(feet[0] + feet[1]), [len(foot) for foot in feet]
    # With the frames last every operation is on contiguous numbers.
    heights = surface.heights.T.index_select(0, soles)
    steps = surface.points.movedim(0, -1).index_select(0, soles).diff()
    near = (heights[:, :-1] < NEAR) & (heights[:, 1:] < NEAR) & (steps[:, 1].abs() * fps < RISE)
    ways = steps[:, ::2].square().sum(1).sqrt().where(near, torch.inf).split_with_sizes(counts)
    middle = ((heights[:, :-1] + heights[:, 1:]) / 2).split_with_sizes(counts)
    slip = torch.stack([foot.amin(0) for foot in ways])
    low = torch.stack([foot.amin(0) for foot in middle])
    high = torch.stack([foot.amax(0) for foot in middle])
    beside = (high - low <= FLAT) & ((low - low.flip(0)).abs() <= LEVEL)
    motion = surface.rows.motion
    inside = motion[1:] == motion[:-1]
    touching = inside & slip.isfinite() & (beside | (slip <= slip.flip(0)))
    return FootContact(touching=touching.T, slip=slip.where(touching, 0.0).T)


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
