"""Forward kinematics: world joint positions from local rotations."""

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from hymotion.body.rotation import product, rotated
from hymotion.body.skeleton import Skeleton


@dataclass(frozen=True, eq=False)
class Pose:
    """A skeleton posed in N frames.

    Attributes:
        matrices: (N, K, 3, 3) local rotations of its first K joints, float64.
        trans: (N, 3) root translation, metres, float64.
        positions: (N, J, 3) joint positions without the translation, float64.
        turns: (N, J, 3, 3) world rotations of the joints, float64.
    """

    matrices: Tensor
    trans: Tensor
    positions: Tensor
    turns: Tensor

    @classmethod
    def of(cls, matrices: Tensor, trans: Tensor, skeleton: Skeleton) -> "Pose":
        """Pose a skeleton; see `forward_kinematics`."""
        positions, turns = forward_kinematics(matrices, skeleton)
        return cls(matrices=matrices, trans=trans, positions=positions, turns=turns)

    @property
    def world(self) -> Tensor:
        """(N, J, 3) joint positions in the world."""
        return self.positions + self.trans[:, None]


def forward_kinematics(rotations: Tensor, skeleton: Skeleton) -> tuple[Tensor, Tensor]:
    """Pose a skeleton whose root stays at its rest position.

    Args:
        rotations: (N, K, 3, 3) local rotations of the first K joints, K ≤ J; the others keep
            their parent's rotation.
        skeleton: J joints, parents before children.

    Returns:
        positions (N, J, 3) and world rotations (N, J, 3, 3), which have the frames last in memory.
    """
    tree = _tree(skeleton, rotations.device, rotations.dtype)
    missing = len(skeleton.parents) - rotations.shape[1]
    if missing:
        still = torch.eye(3, dtype=rotations.dtype, device=rotations.device)
        rotations = torch.cat((rotations, still.expand(len(rotations), missing, 3, 3)), dim=1)
    # With the frames last every operation is on contiguous numbers.
    local = rotations.permute(2, 3, 1, 0).contiguous().index_select(2, tree.order)
    root, *generations = local.split_with_sizes(tree.sizes, dim=2)
    world = [root]
    for turn, above in zip(generations, tree.above, strict=True):
        world.append(product(world[-1].index_select(2, above), turn))
    turns = torch.cat(world, dim=2).index_select(2, tree.back)
    bones = rotated(turns.index_select(2, tree.parents), tree.offsets)
    # One matrix product adds up the bones on the way from the root to each joint.
    positions = tree.rest[:, :, None] + tree.ways.T @ bones
    return positions.permute(2, 1, 0).contiguous(), turns.permute(3, 2, 0, 1)


@dataclass(frozen=True, eq=False)
class _Tree:
    """A skeleton's numbers on a device; indices are of joints unless said otherwise.

    Attributes:
        order: (J,) the joints by generation: the root, its children, their children.
        sizes: joints of each generation.
        above: for each generation but the first, its parents' places in the one before.
        back: (J,) the place of each joint in `order`.
        parents: (J − 1,) of all joints but the root.
        offsets: (J − 1, 3) from those parents at rest, metres.
        ways: (J − 1, J) 1 where a bone, named by its lower end, is on the way to a joint.
        rest: (3, 1) the root at rest.
    """

    order: Tensor
    sizes: tuple[int, ...]
    above: tuple[Tensor, ...]
    back: Tensor
    parents: Tensor
    offsets: Tensor
    ways: Tensor
    rest: Tensor


@lru_cache(maxsize=16)
def _tree(skeleton: Skeleton, device: torch.device, numbers: torch.dtype) -> _Tree:
    generations = skeleton.generations
    order = torch.tensor([joint for joints, _ in generations for joint in joints])
    ways = torch.eye(len(skeleton.parents), dtype=torch.float64)
    for joint, parent in enumerate(skeleton.parents[1:], start=1):
        ways[:, joint] += ways[:, parent]
    return _Tree(
        order=order.to(device),
        sizes=tuple(len(joints) for joints, _ in generations),
        above=tuple(torch.tensor(parents, device=device) for _, parents in generations[1:]),
        back=order.argsort().to(device),
        parents=torch.tensor(skeleton.parents[1:], device=device),
        offsets=skeleton.offsets[1:].to(device, numbers),
        ways=ways[1:].to(device, numbers),
        rest=skeleton.offsets[0, :, None].to(device, numbers),
    )
