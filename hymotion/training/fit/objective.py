"""What training makes small: the error of the flow, of the motion's change, and of its joints.

The flow goes straight from noise ε at t = 0 to a motion m at t = 1 (Lipman et al. 2023, Liu et
al. 2023): x = (1 − t)·ε + t·m, and its velocity is m − ε. Whatever the network predicts, the error
counts as one of the velocity, so that both predictions have the same optimum (Li & He 2025). A
velocity's error is that of the motion it leads to, divided by what is left of the way.

Two more terms say what matters to the eye and is small in the numbers: the change from one frame
to the next, each number in units of its own usual change, where a tremble is large; and the joints
of the posed body in the world, where feet slip. The first is linear in the motion and leaves the
optimum where it is; the second does not, and so fades where the motion is mostly noise.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from hymotion.decoding.decoder import FLAT_STD
from hymotion.training.dataset.frames import POSITIONS, TRANSLATION
from hymotion.training.fit.poser import Poser

NEAREST = 0.05
"""The least rest of the way that errors are divided by (Li & He 2025)."""

JOINT_UNIT = 0.05
"""An error of a joint's place of so many metres counts as 1."""

STEP_UNIT = 0.01
"""An error of a joint's step from frame to frame of so many metres counts as 1."""


@dataclass(frozen=True, eq=False)
class Statistics:
    """The training split's numbers, all (201,).

    Attributes:
        mean: of the frames.
        std: of the frames, zero for constants.
        change: standard deviation of the change from frame to frame of normalised frames.
    """

    mean: Tensor
    std: Tensor
    change: Tensor

    def normalised(self, frames: Tensor) -> Tensor:
        """(…, 201) frames with mean 0 and deviation 1, constants 0."""
        moving = self.std >= FLAT_STD
        return ((frames - self.mean) / self.std.where(moving, 1.0)).where(moving, 0.0)

    def restored(self, frames: Tensor) -> Tensor:
        """The inverse of `normalised`."""
        return frames * self.std + self.mean

    def to(self, device: torch.device) -> "Statistics":
        """The same on another device."""
        return Statistics(self.mean.to(device), self.std.to(device), self.change.to(device))


@dataclass(frozen=True, eq=False)
class Errors:
    """Mean errors over the valid frames, each a scalar with its gradient."""

    flow: Tensor
    change: Tensor
    joints: Tensor


def noisy(motion: Tensor, noise: Tensor, t: Tensor) -> Tensor:
    """The states x (B, L, 201) on the way from noise to motion at times t (B,)."""
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
        valid: (B, L) which frames count.
        total: how many frames the sums are divided by; of all processes' batches, a share each.
        statistics: of the training split.
        poser: on the device.
        late: the power of the way left that motion errors are divided by.
    """
    left = 1 - t
    # What the velocity says of the motion, from where the state is: m̂ = x + (1 − t)·v.
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
    """(B, L, 201) real frames → (B, L, 22, 3) joints in the world, which their positions say."""
    local = frames[..., POSITIONS].reshape(*frames.shape[:2], -1, 3)
    return local + frames[:, :, None, TRANSLATION]


def _distance(off: Tensor) -> Tensor:
    """(B, L, J, 3) offsets → (B, L, J) pseudo-Huber distances.

    A body that is posed all wrong, as all are at first, must not drown what else is learnt.
    """
    return (1 + off.square().sum(-1)).sqrt() - 1


def _mean(values: Tensor, weight: Tensor, valid: Tensor, total: Tensor) -> Tensor:
    return (values * weight[:, None]).where(valid, 0.0).sum() / total
