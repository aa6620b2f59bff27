"""Where the ground is: the lowest point that the body reaches in a clip."""

import torch
from torch import Tensor

from hymotion.skeleton import Skeleton


def lowest_point(positions: Tensor, turns: Tensor, skeleton: Skeleton) -> Tensor:
    """The lowest y, in metres, of the skeleton's contacts over the whole clip.

    For someone on their feet these are the soles; whoever crawls or rolls rests on knees,
    hands or back instead.

    Args:
        positions: (L, J, 3) joints in the world.
        turns: (L, J, 3, 3) world rotations of the joints.
        skeleton: with at least one contact.
    """
    joints = [contact.joint for contact in skeleton.contacts]
    offsets = positions.new_tensor([contact.offset for contact in skeleton.contacts])
    radii = positions.new_tensor([contact.radius for contact in skeleton.contacts])
    points = positions[:, joints] + (turns[:, joints] @ offsets[..., None])[..., 0]
    return torch.amin(points[..., 1] - radii)
