"""Another frame rate for a motion, at the same speed."""

import torch

from hymotion.body.motion import Motion
from hymotion.body.rotation import matrix_from_quaternion, quaternion_from_matrix, slerp
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
    joints = positions + moved[:, None]
    return Motion.of(matrices, moved, joints, fps=fps, skeleton=motion.skeleton)
