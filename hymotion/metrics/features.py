"""Motion features: a body's movement relative to its position and facing direction.

This is our own definition, shared by the Fréchet distance and the action classifier. A frame has

| numbers | what | unit |
|---|---|---|
| 1 | height of the pelvis | m |
| 3 | velocity of the pelvis, in the facing frame | m/s |
| 1 | rate of turning of the facing frame | rad/s |
| 63 | the 21 other joints relative to the pelvis, in the facing frame | m |
| 66 | velocities of the 22 joints in the world, in the facing frame | m/s |

The facing frame has y up and x to the body's left. The features do not depend on the body's
horizontal position and heading in the world.
"""

import torch
from torch import Tensor

from hymotion.body.motion import Motion
from hymotion.body.skeleton import BODY
from hymotion.decoding.kinematics import forward_kinematics
from hymotion.decoding.rows import FrameRows
from hymotion.decoding.smoothing import gaussian_average
from hymotion.errors import MeasureError

JOINTS = 22
FEATURES = 1 + 3 + 1 + 3 * (JOINTS - 1) + 3 * JOINTS

VELOCITIES = slice(FEATURES - 3 * JOINTS, FEATURES)
"""Indices of the joints' velocities in a frame."""

LEFTS = ((1, 2), (16, 17))
"""Left and right joints of hips and shoulders; the lines between them give the body's left."""

SIGMA = 5.0
RADIUS = 15
"""Standard deviation, in frames, of the Gaussian that smooths the facing direction."""


def motion_features(motion: Motion) -> Tensor:
    """(L, 134) float32 features of L ≥ 2 frames of a 22-joint body.

    Joint positions are computed from the rotations on our own skeleton, so that the body's
    proportions have no effect. Velocities are central differences times fps.

    Raises:
        MeasureError: the motion has fewer than two frames or is not finite.
    """
    _check(motion)
    positions, _ = forward_kinematics(motion.matrices(), BODY)
    trans = torch.from_numpy(motion.trans).double()
    world = positions + trans[:, None]
    facing = facing_frames(world)
    velocity = torch.gradient(world, dim=0)[0] * motion.fps
    # A row times the facing frame is its transpose times the column: into that frame.
    velocity = velocity @ facing
    relative = (world[:, 1:] - world[:, :1]) @ facing
    return torch.cat(
        (
            world[:, 0, 1:2],
            velocity[:, 0],
            _turning(facing)[:, None] * motion.fps,
            relative.flatten(1),
            velocity.flatten(1),
        ),
        dim=1,
    ).float()


def facing_frames(world: Tensor) -> Tensor:
    """(L, 3, 3) rotations about y from the facing frame to the world.

    Args:
        world: (L, 22, 3) joints.

    The left direction is the horizontal part of the lines through hips and shoulders, averaged
    over time with a Gaussian of 5 frames. It is averaged before normalisation, so frames in which
    the body lies on its side or cartwheels have little weight. A body whose left is always
    vertical counts as facing +Z.
    """
    left = sum((world[:, a] - world[:, b] for a, b in LEFTS), torch.zeros_like(world[:, 0]))
    clip = FrameRows.of([len(left)])
    left = gaussian_average(left[:, (0, 2)], clip, sigma=SIGMA, radius=RADIUS)
    length = left.norm(dim=-1, keepdim=True)
    left = torch.where(length > 1e-6, left / length.clamp(min=1e-6), left.new_tensor([1.0, 0.0]))
    x, z = left.unbind(-1)
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    rows = ((x, zero, -z), (zero, one, zero), (z, zero, x))
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)


def windows(frames: int, *, length: int, stride: int) -> list[int]:
    """First frames of the windows that fit into `frames`; [0] if the clip is shorter.

    The last window ends with the clip, so that every frame is covered.
    """
    last = max(0, frames - length)
    starts = list(range(0, last + 1, stride))
    return starts if starts[-1] == last else [*starts, last]


def _turning(facing: Tensor) -> Tensor:
    step = facing[:-1].transpose(-1, -2) @ facing[1:]
    angle = torch.atan2(step[:, 0, 2], step[:, 0, 0])
    # Average the steps before and after each frame, like a central difference.
    padded = torch.cat((angle[:1], angle, angle[-1:]))
    return (padded[:-1] + padded[1:]) / 2


def _check(motion: Motion) -> None:
    if motion.rot6d.shape[1:] != (JOINTS, 6):
        raise MeasureError(
            f"rotations have the shape {motion.rot6d.shape}",
            mend="Give a motion of 22 joints",
            field="rot6d",
            value=motion.rot6d.shape,
        )
    if motion.frames < 2:
        raise MeasureError(
            f"{motion.frames} frames have no velocity",
            mend="Give a motion of at least two frames",
            field="frames",
            value=motion.frames,
        )
    finite = torch.from_numpy(motion.rot6d).isfinite().all()
    if not (finite and torch.from_numpy(motion.trans).isfinite().all()):
        raise MeasureError(
            "the motion is not finite",
            mend="Count it as failed and leave it out of the set",
            field="motion",
            value="not finite",
        )
