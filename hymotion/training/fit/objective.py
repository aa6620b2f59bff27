"""The training objective: errors of the flow, of the change between frames, and of the joints.

The flow is the straight path from noise ε at t = 0 to a motion m at t = 1 (Lipman et al. 2023, Liu
et al. 2023): x = (1 − t)·ε + t·m, with velocity m − ε. The error is measured on the velocity for
every kind of prediction, so that all have the same optimum (Li & He 2025). The error of a velocity
is that of the predicted motion divided by 1 − t.

Two more terms measure what is visible but numerically small: the change between frames, with each
value in units of its typical change, which penalises tremor; and the joints of the posed body in
the world, which penalises foot slip. The first is linear in the motion and keeps the optimum; the
second does not, so it fades where the motion is mostly noise.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from hymotion.decoding.decoder import FLAT_STD
from hymotion.training.dataset.frames import POSITIONS, TRANSLATION
from hymotion.training.fit.poser import Poser

NEAREST = 0.05
"""Lower bound of 1 − t when errors are divided by it (Li & He 2025)."""

JOINT_UNIT = 0.05
"""Error of a joint position, in metres, that counts as 1."""

STEP_UNIT = 0.01
"""Error of a joint's displacement between frames, in metres, that counts as 1."""


@dataclass(frozen=True, eq=False)
class Statistics:
    """Statistics of the training split, all (201,).

    Attributes:
        mean: of the frames.
        std: of the frames, zero for constant values.
        change: standard deviation of the change from frame to frame of normalised frames.
    """

    mean: Tensor
    std: Tensor
    change: Tensor

    def normalised(self, frames: Tensor) -> Tensor:
        """(…, 201) frames with mean 0 and standard deviation 1; constant values become 0."""
        moving = self.std >= FLAT_STD
        return ((frames - self.mean) / self.std.where(moving, 1.0)).where(moving, 0.0)

    def restored(self, frames: Tensor) -> Tensor:
        """The inverse of `normalised`."""
        return frames * self.std + self.mean

    def to(self, device: torch.device) -> "Statistics":
        """The statistics on another device."""
        return Statistics(self.mean.to(device), self.std.to(device), self.change.to(device))


@dataclass(frozen=True, eq=False)
class Errors:
    """Mean errors over the valid frames, each a scalar with its gradient."""

    flow: Tensor
    change: Tensor
    joints: Tensor


def noisy(motion: Tensor, noise: Tensor, t: Tensor) -> Tensor:
    """The states x (B, L, 201) on the path from noise to motion at times t (B,)."""
    share = t[:, None, None]
    return (1 - share) * noise + share * motion


def errors(
    velocity: Tensor,
    *,
    motion: Tensor,
    noise: Tensor,
    t: Tensor,
    valid: Tensor,
    total: Tensor,
    statistics: Statistics,
    poser: Poser,
    late: float = 2.0,
) -> Errors:
    """The errors of a predicted velocity.

    Args:
        velocity: (B, L, 201) predicted at x(t).
        motion: (B, L, 201) normalised.
        noise: (B, L, 201).
        t: (B,).
        valid: (B, L) true for valid frames.
        total: number of frames that the sums are divided by: those of all processes' batches
            divided by the number of processes.
        statistics: of the training split.
        poser: on the device.
        late: motion errors are divided by 1 − t to this power.
    """
    left = 1 - t
    # The motion predicted by the velocity from the state x is m̂ = x + (1 − t)·v.
    apart = (velocity.float() - (motion - noise)) * left[:, None, None]
    weight = left.clamp(min=NEAREST) ** -late
    both = valid[:, 1:] & valid[:, :-1]
    moving = statistics.std >= FLAT_STD
    scale = moving / statistics.change.clamp(min=1e-4)
    change = torch.diff(apart, dim=1) * scale
    joints = poser(statistics.restored(motion + apart)) - listed(statistics.restored(motion))
    place = _distance(joints / JOINT_UNIT).mean(-1)
    step = (_distance(torch.diff(joints, dim=1) / STEP_UNIT) * poser.weights).mean(-1)
    return Errors(
        flow=_mean(apart.square().mean(-1), weight, valid, total),
        change=_mean(change.square().mean(-1), t**2, both, total),
        joints=_mean(place, t**2, valid, total) + _mean(step, t**2, both, total),
    )


def listed(frames: Tensor) -> Tensor:
    """(B, L, 201) real frames → (B, L, 22, 3) world joints, from the positions in the frames."""
    local = frames[..., POSITIONS].reshape(*frames.shape[:2], -1, 3)
    return local + frames[:, :, None, TRANSLATION]


def _distance(off: Tensor) -> Tensor:
    """(B, L, J, 3) offsets → (B, L, J) pseudo-Huber distances.

    Linear for large errors, so that the bad poses of early training do not dominate the loss.
    """
    return (1 + off.square().sum(-1)).sqrt() - 1


def _mean(values: Tensor, weight: Tensor, valid: Tensor, total: Tensor) -> Tensor:
    return (values * weight[:, None]).where(valid, 0.0).sum() / total
