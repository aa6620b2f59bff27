"""Another frame rate for a motion, at the same speed."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from hymotion.body.motion import Motion
from hymotion.body.rotation import matrix_from_quaternion, quaternion_from_matrix, rot6d_from_matrix
from hymotion.decoding.kinematics import forward_kinematics


def retimed(motion: Motion, fps: int) -> Motion:
    """The motion at `fps` frames a second, from its first frame on.

    Frame k shows the moment k / fps: rotations lie on the shortest arc between the two frames
    around it (slerp, Shoemake 1985), the translation on the straight line. The last frame shows
    the last moment that is not past the end, less than one new frame before it.
    """
    if fps == motion.fps:
        return motion
    count = (motion.frames - 1) * fps // motion.fps + 1
    moments = torch.arange(count, dtype=torch.float64) * motion.fps / fps
    before = moments.floor().long().clamp(max=motion.frames - 1)
    after = (before + 1).clamp(max=motion.frames - 1)
    share = moments - before
    quaternions = quaternion_from_matrix(motion.matrices())
    turned = slerp(quaternions[before], quaternions[after], share[:, None, None])
    trans = torch.from_numpy(motion.trans).double()
    moved = torch.lerp(trans[before], trans[after], share[:, None])
    matrices = matrix_from_quaternion(turned)
    positions, _ = forward_kinematics(matrices, motion.skeleton)
    return replace(
        motion,
        rot6d=rot6d_from_matrix(matrices).numpy().astype(np.float32),
        trans=moved.numpy().astype(np.float32),
        joints=(positions + moved[:, None]).numpy().astype(np.float32),
        fps=fps,
    )


def slerp(first: Tensor, second: Tensor, share: Tensor) -> Tensor:
    """(…, 4) unit quaternions and (…, 1) shares → (…, 4), the shorter way round."""
    cosine = (first * second).sum(-1, keepdim=True)
    second = torch.where(cosine < 0, -second, second)
    angle = torch.atan2((second - first).norm(dim=-1, keepdim=True) / 2,
                        (second + first).norm(dim=-1, keepdim=True) / 2) * 2  # fmt: skip
    # sin(share · angle) / sin(angle) → share as the angle goes to 0.
    small = angle < 1e-9
    sine = torch.where(small, 1.0, torch.sin(angle))
    left = torch.where(small, 1 - share, torch.sin((1 - share) * angle) / sine)
    right = torch.where(small, share, torch.sin(share * angle) / sine)
    return torch.nn.functional.normalize(left * first + right * second, dim=-1)
