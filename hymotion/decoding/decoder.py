"""The decoder: turns the latents of a pack into motions, all at once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from hymotion.body.motion import Motion
from hymotion.body.rotation import matrix_from_rot6d
from hymotion.body.skeleton import BODY, Skeleton
from hymotion.decoding.ground import soles
from hymotion.decoding.kinematics import Pose
from hymotion.decoding.planting import GENERATED, planted
from hymotion.decoding.rows import FrameRows
from hymotion.decoding.smoothing import WINDOW, smooth_rotations, smooth_translation
from hymotion.errors import ConfigError, RequestError

FLAT_STD = 1e-3
"""Features with a standard deviation below this count as constant."""

ROTATIONS = slice(3, 135)
BODY_JOINTS = 22


@dataclass(frozen=True, eq=False)
class Decoder:
    """Turns normalised latents into motions of one skeleton.

    Attributes:
        mean: (201,) of the training data, on the device that decodes.
        std: (201,) of the training data.
        skeleton: the body; its first 22 joints are the rotations' joints.
        plant_feet: hold feet where they touch the ground; only for `BODY`.
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

    def pose(self, latents: Sequence[Tensor]) -> tuple[Pose, FrameRows]:
        """Denormalise and smooth latents (L, 201), L ≥ 11, and pose the skeleton in all frames.

        The pose is not placed on the ground. The last 66 values of a frame, the joint positions
        that the network predicts, are not used.

        Raises:
            RequestError: a latent is shorter than 11 frames.
        """
        rows = FrameRows.of(_lengths(latents), self.mean.device)
        # Cut before the copy to the device, joined before as well: one copy for all motions.
        read = torch.cat([latent[:, : ROTATIONS.stop] for latent in latents]).to(self.mean.device)
        mean, std = (each[: ROTATIONS.stop].double() for each in (self.mean, self.std))
        frame = read.double() * std.where(std >= FLAT_STD, 0.0) + mean
        rotations = frame[:, ROTATIONS].reshape(-1, BODY_JOINTS, 6)
        matrices = smooth_rotations(matrix_from_rot6d(rotations), rows)
        trans = smooth_translation(frame[:, : ROTATIONS.start], rows)
        return Pose.of(matrices, trans, self.skeleton), rows

    def decode(self, latents: Sequence[Tensor]) -> list[Motion]:
        """The motions of latents (L, 201), each shifted so that its lowest point is at y = 0.

        Computed for all motions at once on the device of the statistics; a motion equals the same
        decoded alone up to rounding (1e-12). Raises the error of `pose`.
        """
        if not latents:
            return []
        pose, rows = self.pose(latents)
        pose = self.lowered(pose, rows)
        if self.plant_feet:
            pose = self.lowered(planted(pose, rows, GENERATED), rows)
        return Motion.split(
            pose.matrices, pose.trans, pose.world, lengths=rows.lengths, skeleton=self.skeleton
        )

    def lowered(self, pose: Pose, rows: FrameRows) -> Pose:
        """The pose, each motion shifted so that its lowest point is at y = 0."""
        heights, _ = soles(pose.world, pose.turns, self.skeleton)
        trans = pose.trans.clone()
        trans[:, 1] -= rows.lowest(heights.amin(1))[rows.motion]
        return replace(pose, trans=trans)


def _lengths(latents: Sequence[Tensor]) -> list[int]:
    lengths = [len(latent) for latent in latents]
    if min(lengths) < WINDOW:
        raise RequestError(
            f"a latent of {min(lengths)} frames is too short to be smoothed",
            mend=f"Decode at least {WINDOW} frames",
            field="latents",
            value=min(lengths),
        )
    return lengths
