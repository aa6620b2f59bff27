"""Forward kinematics: local rotations down the tree of joints to world positions."""

import torch
from torch import Tensor

from hymotion.body.skeleton import Skeleton


def forward_kinematics(rotations: Tensor, skeleton: Skeleton) -> tuple[Tensor, Tensor]:
    """Pose a skeleton whose root stays at its rest position.

    Args:
        rotations: (L, K, 3, 3) local rotations of the first K joints, K ≤ J; the others keep
            their parent's rotation.
        skeleton: J joints, parents before children.

    Returns:
        positions (L, J, 3) and world rotations (L, J, 3, 3).
    """
    offsets = skeleton.offsets.to(rotations)
    known = rotations.shape[1]
    positions: list[Tensor] = []
    turns: list[Tensor] = []
    for joint, parent in enumerate(skeleton.parents):
        if parent < 0:
            positions.append(offsets[joint].expand(len(rotations), 3))
            turns.append(rotations[:, joint])
            continue
        positions.append(positions[parent] + turns[parent] @ offsets[joint])
        turns.append(turns[parent] @ rotations[:, joint] if joint < known else turns[parent])
    return torch.stack(positions, dim=1), torch.stack(turns, dim=1)
