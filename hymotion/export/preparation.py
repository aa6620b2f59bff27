"""A motion made ready for writing: frame rate, place, up axis, joint names."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from hymotion.body.motion import Motion
from hymotion.body.skeleton import Skeleton, Vector
from hymotion.errors import ExportError
from hymotion.export.names import JOINT_NAMES
from hymotion.export.options import ExportOptions
from hymotion.export.retime import retimed

Z_UP = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]], dtype=torch.float64)
"""(x, y, z) with Y up → (x, −z, y) with Z up: who faced +Z faces −Y, the left stays at +X."""


def prepared(motion: Motion, options: ExportOptions) -> Motion:
    """The motion for a format with a skeleton of its own, in metres.

    With Z up the skeleton at rest stands upright along Z as well, so that its T-pose can be
    characterised; the local rotations are about the same body axes as before.

    Raises:
        ExportError: names are wanted for a skeleton that is not the 22-joint body.
    """
    motion = moved(motion, options)
    motion = replace(motion, skeleton=named(motion.skeleton, options.names))
    return _upright_along_z(motion) if options.up == "z" else motion


def moved(motion: Motion, options: ExportOptions) -> Motion:
    """The motion at the wanted frame rate and, if so wanted, in place."""
    motion = retimed(motion, options.fps or motion.fps)
    if not options.in_place:
        return motion
    way = motion.joints[:, 0] * np.array([1, 0, 1], dtype=np.float32)
    return replace(motion, trans=motion.trans - way, joints=motion.joints - way[:, None])


def turned_to_z(motion: Motion) -> Motion:
    """The motion in a world with Z up and a body that still rests with Y up.

    Only the root turns: this is how motions of SMPL bodies are kept where Z is up.
    """
    matrices = motion.matrices()
    matrices[:, 0] = Z_UP @ matrices[:, 0]
    return _turned(motion, matrices, motion.skeleton)


def named(skeleton: Skeleton, names: str) -> Skeleton:
    """The skeleton with the joint names of a scheme."""
    if names == "own":
        return skeleton
    wanted = JOINT_NAMES[names]
    if len(wanted) != len(skeleton.names):
        raise ExportError(
            f"the names {names} are for {len(wanted)} joints, not {len(skeleton.names)}",
            mend="Write it with its own names",
        )
    return replace(skeleton, names=wanted)


def _upright_along_z(motion: Motion) -> Motion:
    matrices = Z_UP @ motion.matrices() @ Z_UP.T
    skeleton = motion.skeleton
    turned = replace(
        skeleton,
        rest=tuple(map(_vector, skeleton.rest)),
        contacts=tuple(replace(it, offset=_vector(it.offset)) for it in skeleton.contacts),
        tips=tuple(replace(it, offset=_vector(it.offset)) for it in skeleton.tips),
    )
    return _turned(motion, matrices, turned)


def _turned(motion: Motion, matrices: Tensor, skeleton: Skeleton) -> Motion:
    trans, joints = (
        torch.from_numpy(points).double() @ Z_UP.T for points in (motion.trans, motion.joints)
    )
    return Motion.of(matrices, trans, joints, fps=motion.fps, skeleton=skeleton)


def _vector(point: Vector) -> Vector:
    x, y, z = point
    return (x, -z, y)
