"""Ground contact: the points of a posed body that can touch the ground, and their heights."""

from functools import lru_cache

import torch
from torch import Tensor

from hymotion.body.rotation import rotated
from hymotion.body.skeleton import Contact, Skeleton


def soles(positions: Tensor, turns: Tensor, skeleton: Skeleton) -> tuple[Tensor, Tensor]:
    """Positions and heights of the C contact points of a body: soles, knees, hands and back.

    Args:
        positions: (N, J, 3) joint positions in the world, metres.
        turns: (N, J, 3, 3) world rotations of the joints.
        skeleton: with at least one contact.

    Returns:
        (N, C) heights above y = 0 of the flesh below each point, and (N, C, 3) the points.
    """
    joints, offsets, radii = _contacts(skeleton.contacts, positions.device, positions.dtype)
    moved = rotated(turns.permute(2, 3, 1, 0).index_select(2, joints), offsets)
    points = positions.permute(2, 1, 0).index_select(1, joints) + moved
    return (points[1] - radii[:, None]).T, points.permute(2, 1, 0)


@lru_cache(maxsize=16)
def _contacts(
    contacts: tuple[Contact, ...], device: torch.device, numbers: torch.dtype
) -> tuple[Tensor, Tensor, Tensor]:
    """(C,) joints, (C, 3) offsets and (C,) radii on a device."""
    return (
        torch.tensor([contact.joint for contact in contacts], device=device),
        torch.tensor([contact.offset for contact in contacts], dtype=numbers, device=device),
        torch.tensor([contact.radius for contact in contacts], dtype=numbers, device=device),
    )
