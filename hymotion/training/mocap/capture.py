"""A capture: what a reader of any source hands to the retargeting."""

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from hymotion.body.rotation import matrix_from_quaternion, quaternion_from_matrix, slerp


@dataclass(frozen=True, eq=False)
class Capture:
    """A recorded body in our axes: metres, Y up, facing +Z at rest with the left at +X.

    Attributes:
        names: of the J joints, parents before children.
        parents: index of each joint's parent, −1 for joint 0.
        offsets: (J, 3) from the parent at rest, float64.
        rotations: (L, J, 3, 3) local rotations, float64.
        root: (L, 3) joint 0 in the world, float64.
        times: (L,) seconds, increasing, from 0, float64.
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    offsets: Tensor
    rotations: Tensor
    root: Tensor
    times: Tensor

    @cached_property
    def turns(self) -> Tensor:
        """(L, J, 3, 3) world rotations."""
        turns: list[Tensor] = []
        for joint, parent in enumerate(self.parents):
            local = self.rotations[:, joint]
            turns.append(local if parent < 0 else turns[parent] @ local)
        return torch.stack(turns, dim=1)

    @cached_property
    def positions(self) -> Tensor:
        """(L, J, 3) joints in the world."""
        places: list[Tensor] = []
        for joint, parent in enumerate(self.parents):
            places.append(
                self.root
                if parent < 0
                else places[parent] + self.turns[:, parent] @ self.offsets[joint]
            )
        return torch.stack(places, dim=1)

    def resampled(self, fps: int) -> "Capture":
        """The same movement at `fps` frames a second: rotations by slerp, the root linearly."""
        count = int(torch.floor(self.times[-1] * fps + 1e-3)) + 1
        # A last moment a rounding error beyond the recording is the recording's end.
        moments = (torch.arange(count, dtype=torch.float64) / fps).clamp(max=float(self.times[-1]))
        if count == len(self.times) and torch.allclose(moments, self.times, atol=1e-4):
            return self
        after = torch.searchsorted(self.times, moments, right=True).clamp(1, len(self.times) - 1)
        before = after - 1
        share = (moments - self.times[before]) / (self.times[after] - self.times[before])
        rotations = blend_rotations(
            self.rotations[before], self.rotations[after], share[:, None, None]
        )
        root = torch.lerp(self.root[before], self.root[after], share[:, None])
        return replace(self, rotations=rotations, root=root, times=moments)


def blend_rotations(first: Tensor, second: Tensor, share: Tensor) -> Tensor:
    """Spherical interpolation of (…, 3, 3) by a share (…, 1) in [0, 1]."""
    start, end = quaternion_from_matrix(first), quaternion_from_matrix(second)
    return matrix_from_quaternion(slerp(start, end, share))
