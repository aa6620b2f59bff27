"""Where the surface of a posed body is, and the ground that it rests on."""

from torch import Tensor

from hymotion.body.skeleton import Skeleton


def soles(positions: Tensor, turns: Tensor, skeleton: Skeleton) -> tuple[Tensor, Tensor]:
    """The points of a body that can touch the ground, C of them.

    For someone on their feet these are the soles; whoever crawls or rolls rests on knees,
    hands or back instead.

    Args:
        positions: (L, J, 3) joints in the world, metres.
        turns: (L, J, 3, 3) world rotations of the joints.
        skeleton: with at least one contact.

    Returns:
        (L, C) heights of the flesh below each point over y = 0, and (L, C, 3) the points.
    """
    joints = [contact.joint for contact in skeleton.contacts]
    offsets = positions.new_tensor([contact.offset for contact in skeleton.contacts])
    radii = positions.new_tensor([contact.radius for contact in skeleton.contacts])
    points = positions[:, joints] + (turns[:, joints] @ offsets[..., None])[..., 0]
    return points[..., 1] - radii, points


def lowest_point(positions: Tensor, turns: Tensor, skeleton: Skeleton) -> Tensor:
    """The lowest y, in metres, of the skeleton's contacts over the whole clip; see `soles`."""
    return soles(positions, turns, skeleton)[0].amin()
