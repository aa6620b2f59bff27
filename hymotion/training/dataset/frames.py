"""Motions as the network's frames: 201 numbers, in one place and direction at the start.

0:3 root translation, metres · 3:9 the root's world rotation · 9:135 the 21 other joints' local
rotations, each as 6 numbers · 135:201 the 22 joint positions. The positions are forward
kinematics with the world's axes but without the root translation, so that they do not grow
with the distance walked; decoding does not read them.
"""

from dataclasses import replace

import torch
from torch import Tensor

from hymotion.body.rotation import rot6d_from_matrix
from hymotion.training.mocap.bvh import axis_turn
from hymotion.training.mocap.clip import Clip

SIZE = 201
TRANSLATION, ROTATIONS, POSITIONS = slice(0, 3), slice(3, 135), slice(135, 201)
Y = 1


def frames_of(clip: Clip) -> Tensor:
    """(L, 201) float32 frames of a clip."""
    positions, _ = clip.pose()
    local = positions - clip.trans[:, None]
    parts = (clip.trans, rot6d_from_matrix(clip.rotations).flatten(1), local.flatten(1))
    return torch.cat(parts, dim=1).float()


def heading(root: Tensor) -> Tensor:
    """(…, 3, 3) root rotations → (…) the angle about y by which the body faces away from +Z.

    The body's forward axis tells it, or the left axis where that lies flatter: whoever lies on
    the back faces where the line across the hips says.
    """
    left, forward = root[..., 0], root[..., 2]
    across = torch.atan2(-left[..., 2], left[..., 0])
    ahead = torch.atan2(forward[..., 0], forward[..., 2])
    flatter = left[..., Y].abs() < forward[..., Y].abs()
    return torch.where(flatter, across, ahead)


def moved(clip: Clip, *, turn: Tensor, shift: Tensor) -> Clip:
    """The clip turned about y by an angle () around the world's origin, then shifted by (3,)."""
    matrix = axis_turn(Y, turn)
    rotations = clip.rotations.clone()
    rotations[:, 0] = matrix @ rotations[:, 0]
    return replace(clip, rotations=rotations, trans=clip.trans @ matrix.T + shift)


def canonical(clip: Clip) -> Clip:
    """The clip starting with its root over the origin, facing +Z as the skeleton at rest."""
    level = clip.trans.new_tensor([1.0, 0.0, 1.0])
    start = replace(clip, trans=clip.trans - clip.trans[0] * level)
    return moved(start, turn=-heading(clip.rotations[0, 0]), shift=torch.zeros_like(level))
