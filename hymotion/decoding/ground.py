"""Ground contact: the points of a posed body that can touch the ground, and their heights."""

from torch import Tensor

from hymotion.body.skeleton import Skeleton


def soles(positions: Tensor, turns: Tensor, skeleton: Skeleton) -> tuple[Tensor, Tensor]:
    """Positions and heights of the C contact points of a body: soles, knees, hands and back.

    Args:
        positions: (L, J, 3) joint positions in the world, metres.
        turns: (L, J, 3, 3) world rotations of the joints.
        skeleton: with at least one contact.

    Returns:
        (L, C) heights above y = 0 of the flesh below each point, and (L, C, 3) the points.
    """
    joints = [contact.joint for contact in skeleton.contacts]
    offsets = positions.new_tensor([contact.offset for contact in skeleton.contacts])
    radii = positions.new_tensor([contact.radius for contact in skeleton.contacts])
    points = positions[:, joints] + (turns[:, joints] @ offsets[..., None])[..., 0]
    return points[..., 1] - radii, points


def lowest_point(positions: Tensor, turns: Tensor, skeleton: Skeleton) -> Tensor:
    """The lowest y, in metres, of the skeleton's contacts over the whole clip; see `soles`."""
    return soles(positions, turns, skeleton)[0].amin()
