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

from hymotion.decoding.rows import FrameRows
from hymotion.decoding.smoothing import gaussian_average
from hymotion.errors import MeasureError
from hymotion.metrics.posed import PosedMotions

JOINTS = 22
FEATURES = 1 + 3 + 1 + 3 * (JOINTS - 1) + 3 * JOINTS

VELOCITIES = slice(FEATURES - 3 * JOINTS, FEATURES)
"""Indices of the joints' velocities in a frame."""

LEFTS = ((1, 2), (16, 17))
"""Left and right joints of hips and shoulders; the lines between them give the body's left."""

SIGMA = 5.0
RADIUS = 15
"""Standard deviation, in frames, of the Gaussian that smooths the facing direction."""


def motion_features(posed: PosedMotions) -> Tensor:
    """(N, 134) float32 features of motions of L ≥ 2 frames of a 22-joint body.

    Joint positions are computed from the rotations on our own skeleton, so that the body's
    proportions have no effect. Velocities are central differences times fps.

    Raises:
        MeasureError: a motion has fewer than two frames or is not finite.
    """
    _check(posed)
    rows = posed.rows
    positions, _ = posed.body
    world = positions + posed.trans.double()[:, None]
    left = left_directions(world, rows)
    velocity = rows.rate(world) * posed.fps
    turned = _turned(torch.cat((world[:, 1:] - world[:, :1], velocity), dim=1), left)
    return torch.cat(
        (
            world[:, 0, 1:2],
            turned[:, JOINTS - 1],
            _turning(left, rows)[:, None] * posed.fps,
            turned.flatten(1),
        ),
        dim=1,
    ).float()


def left_directions(world: Tensor, rows: FrameRows) -> Tensor:
    """(N, 2) unit x and z of the body's left, which is the facing frame's x.

    Args:
        world: (N, 22, 3) joints.
        rows: which frames belong to one motion.

    The left direction is the horizontal part of the lines through hips and shoulders, averaged
    over time with a Gaussian of 5 frames. It is averaged before normalisation, so frames in which
    the body lies on its side or cartwheels have little weight. A body whose left is always
    vertical counts as facing +Z.
    """
    left = sum((world[:, a] - world[:, b] for a, b in LEFTS), torch.zeros_like(world[:, 0]))
    left = gaussian_average(left[:, (0, 2)], rows, sigma=SIGMA, radius=RADIUS)
    length = left.norm(dim=-1, keepdim=True)
    return torch.where(length > 1e-6, left / length.clamp(min=1e-6), left.new_tensor([1.0, 0.0]))


def windows(frames: int, *, length: int, stride: int) -> list[int]:
    """First frames of the windows that fit into `frames`; [0] if the clip is shorter.

    The last window ends with the clip, so that every frame is covered.
    """
    last = max(0, frames - length)
    starts = list(range(0, last + 1, stride))
    return starts if starts[-1] == last else [*starts, last]


def _turned(vectors: Tensor, left: Tensor) -> Tensor:
    """(N, K, 3) vectors in the world, turned into the facing frame."""
    x, y, z = vectors.unbind(-1)
    cosine, sine = left[..., None].unbind(1)
    return torch.stack((x * cosine + z * sine, y, z * cosine - x * sine), dim=-1)


def _turning(left: Tensor, rows: FrameRows) -> Tensor:
    """(N,) angle by which the facing frame turns, radians a frame."""
    (x, z), (next_x, next_z) = left[:-1].unbind(1), left[1:].unbind(1)
    angle = torch.atan2(z * next_x - x * next_z, x * next_x + z * next_z)
    # Average the steps before and after each frame, like a central difference.
    before, _, after = rows.around(1).unbind(1)
    return (angle[before] + angle[after - 1]) / 2


def _check(posed: PosedMotions) -> None:
    shape, shortest = posed.rot6d.shape, min(posed.rows.lengths)
    if shape[1:] != (JOINTS, 6):
        raise MeasureError(
            f"rotations have the shape {tuple(shape)}",
            mend="Give motions of 22 joints",
            field="rot6d",
            value=tuple(shape),
        )
    if shortest < 2:
        raise MeasureError(
            f"{shortest} frames have no velocity",
            mend="Give a motion of at least two frames",
            field="frames",
            value=shortest,
        )
    if not posed.finite(posed.rot6d, posed.trans).all():
        raise MeasureError(
            "the motion is not finite",
            mend="Count it as failed and leave it out of the set",
            field="motion",
            value="not finite",
        )
