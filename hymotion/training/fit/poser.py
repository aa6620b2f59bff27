"""Forward kinematics for training, batched over all joints at the same depth."""

import torch
from torch import Tensor, nn

from hymotion.body.rotation import matrix_from_rot6d
from hymotion.body.skeleton import BODY, L_ANKLE, L_FOOT, R_ANKLE, R_FOOT
from hymotion.training.dataset.frames import ROTATIONS, TRANSLATION

FEET = (L_ANKLE, L_FOOT, R_ANKLE, R_FOOT)
FOOT = 4.0
"""Weight of a foot's displacement error relative to other joints', as it is visible slip."""


class Poser(nn.Module):
    """Computes world joint positions from frames.

    `weights` (22,) are the weights of each joint's displacement errors, with mean 1.

    Joints at the same depth are computed in one product: 8 products instead of 21. All buffers are
    on the device, so that a step can be recorded as a CUDA graph.
    """

    joints: Tensor
    parents: Tensor
    offsets: Tensor
    back: Tensor
    weights: Tensor

    def __init__(self) -> None:
        super().__init__()
        generations = BODY.generations
        order = [joint for joints, _ in generations for joint in joints]
        self.sizes = [len(joints) for joints, _ in generations]
        self.register_buffer("joints", torch.tensor(order), persistent=False)
        parents = [parent for _, parents in generations for parent in parents]
        self.register_buffer("parents", torch.tensor(parents), persistent=False)
        self.register_buffer("offsets", BODY.offsets.float()[order], persistent=False)
        back = sorted(range(len(order)), key=order.__getitem__)
        self.register_buffer("back", torch.tensor(back), persistent=False)
        weights = torch.ones(len(order))
        weights[list(FEET)] = FOOT
        self.register_buffer("weights", weights / weights.mean(), persistent=False)

    def forward(self, frames: Tensor) -> Tensor:
        """(B, L, 201) frames → (B, L, 22, 3) joints in the world."""
        batch, length, _ = frames.shape
        turns = matrix_from_rot6d(frames[..., ROTATIONS].reshape(batch, length, -1, 6))
        local = turns.index_select(2, self.joints).split_with_sizes(self.sizes, dim=2)
        parents = self.parents.split_with_sizes(self.sizes)
        offsets = self.offsets.split_with_sizes(self.sizes)
        root = offsets[0].expand(batch, length, 1, 3)
        found, world = [root], local[0]
        for turn, above, offset in zip(local[1:], parents[1:], offsets[1:], strict=True):
            holding = world.index_select(2, above)
            # Not a matrix product, which may use reduced precision: 1 mm is already a slip.
            moved = (holding * offset[..., None, :]).sum(-1)
            found.append(found[-1].index_select(2, above) + moved)
            world = (holding[..., None] * turn[..., None, :, :]).sum(-2)
        joints = torch.cat(found, dim=2).index_select(2, self.back)
        return joints + frames[:, :, None, TRANSLATION]
