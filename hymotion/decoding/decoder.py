"""The decoder: one latent in, one motion out."""

from dataclasses import dataclass, replace

from torch import Tensor

from hymotion.body.motion import Motion
from hymotion.body.rotation import matrix_from_rot6d
from hymotion.body.skeleton import BODY, Skeleton
from hymotion.decoding.ground import lowest_point
from hymotion.decoding.kinematics import forward_kinematics
from hymotion.decoding.planting import GENERATED, planted
from hymotion.decoding.smoothing import smooth_rotations, smooth_translation
from hymotion.errors import ConfigError

FLAT_STD = 1e-3
"""A number of the frame whose standard deviation is below this is a constant."""

ROTATIONS = slice(3, 135)
BODY_JOINTS = 22


@dataclass(frozen=True, eq=False)
class Pose:
    """A decoded clip.

    Attributes:
        matrices: (L, 22, 3, 3) smoothed local rotations, float64.
        trans: (L, 3) smoothed root translation, metres, float64.
        positions: (L, J, 3) joints without the translation, float64.
        turns: (L, J, 3, 3) world rotations of the joints, float64.
    """

    matrices: Tensor
    trans: Tensor
    positions: Tensor
    turns: Tensor


@dataclass(frozen=True, eq=False)
class Decoder:
    """Turns normalised latents into motions of one skeleton.

    Attributes:
        mean: (201,) of the training data.
        std: (201,) of the training data.
        skeleton: the body; its first 22 joints are the rotations' joints.
        plant_feet: hold feet where they touch the ground, of `BODY` alone.
    """

    mean: Tensor
    std: Tensor
    skeleton: Skeleton = BODY
    plant_feet: bool = False

    def __post_init__(self) -> None:
        if self.plant_feet and self.skeleton is not BODY:
            raise ConfigError(
                "only the feet of hymotion.BODY can be planted",
                mend="Set plant_feet to false for another skeleton",
                path=None,
                key="plant_feet",
            )

    def pose(self, latent: Tensor) -> Pose:
        """Denormalise and smooth a latent (L, 201), L ≥ 11, and pose the skeleton, on no ground.

        The last 66 numbers of a frame, the network's own guess of joint positions, are not used.
        """
        std = self.std.double()
        frame = latent.double() * std.where(std >= FLAT_STD, 0.0) + self.mean.double()
        rotations = frame[:, ROTATIONS].reshape(-1, BODY_JOINTS, 6)
        matrices = smooth_rotations(matrix_from_rot6d(rotations))
        return self._posed(matrices, smooth_translation(frame[:, :3]))

    def decode(self, latent: Tensor) -> Motion:
        """The motion of a latent (L, 201), lowered so that its lowest point is at y = 0."""
        pose = self._lowered(self.pose(latent))
        if self.plant_feet:
            matrices = planted(pose.matrices, pose.trans, GENERATED)
            pose = self._lowered(self._posed(matrices, pose.trans))
        joints = pose.positions + pose.trans[:, None]
        return Motion.of(pose.matrices, pose.trans, joints, skeleton=self.skeleton)

    def _posed(self, matrices: Tensor, trans: Tensor) -> Pose:
        positions, turns = forward_kinematics(matrices, self.skeleton)
        return Pose(matrices=matrices, trans=trans, positions=positions, turns=turns)

    def _lowered(self, pose: Pose) -> Pose:
        """The pose with its lowest point at y = 0."""
        trans = pose.trans.clone()
        world = pose.positions + trans[:, None]
        trans[:, 1] -= lowest_point(world, pose.turns, self.skeleton)
        return replace(pose, trans=trans)
