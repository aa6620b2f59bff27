"""Made-up people who do something to look at: by hand-written rotations, 30 frames a second."""

import numpy as np
import torch
from torch import Tensor

import hymotion
from hymotion.body.rotation import matrix_from_axis_angle, rot6d_from_matrix
from hymotion.body.skeleton import BODY
from hymotion.decoding.ground import soles
from hymotion.decoding.kinematics import forward_kinematics

JOINTS = {name: index for index, name in enumerate(BODY.names)}
X, Y, Z = torch.eye(3, dtype=torch.float64)


class Pose:
    """Rotations (L, 22, 3, 3) put together joint by joint, and where the root is."""

    def __init__(self, frames: int) -> None:
        self.time = torch.arange(frames, dtype=torch.float64) / 30
        self.matrices = torch.eye(3, dtype=torch.float64).repeat(frames, 22, 1, 1)
        self.trans = torch.zeros(frames, 3, dtype=torch.float64)
        # Arms hang at the sides instead of the T-pose.
        for side, sign in (("L", -1), ("R", 1)):
            self.turn(f"{side}_Shoulder", Z, sign * 1.25)

    def turn(self, joint: str, axis: Tensor, angle: Tensor | float) -> None:
        """Turn a joint about an axis of its parent, on top of what it did so far."""
        angles = torch.as_tensor(angle, dtype=torch.float64).expand(len(self.time))
        matrix = matrix_from_axis_angle(angles[:, None] * axis)
        self.matrices[:, JOINTS[joint]] = matrix @ self.matrices[:, JOINTS[joint]]

    def motion(self, *, every_frame_on_ground: bool = False) -> hymotion.Motion:
        """The motion, its lowest point at y = 0 over the clip or in every frame."""
        positions, turns = forward_kinematics(self.matrices, BODY)
        world = positions + self.trans[:, None]
        low = soles(world, turns, BODY)[0].amin(1)
        if not every_frame_on_ground:
            low = low.amin()
        trans = self.trans.clone()
        trans[:, 1] -= low
        return hymotion.Motion(
            rot6d=rot6d_from_matrix(self.matrices).numpy().astype(np.float32),
            trans=trans.numpy().astype(np.float32),
            joints=(positions + trans[:, None]).numpy().astype(np.float32),
        )


def walking(frames: int = 90) -> hymotion.Motion:
    """Forward along +Z, 1.2 m/s."""
    pose = Pose(frames)
    phase = 2 * np.pi * 0.95 * pose.time
    for side, sign in (("L", 1), ("R", -1)):
        swing = sign * torch.sin(phase)
        pose.turn(f"{side}_Hip", X, -0.45 * swing)
        pose.turn(f"{side}_Knee", X, 0.1 + 0.55 * torch.clamp(sign * torch.cos(phase), min=0))
        pose.turn(f"{side}_Shoulder", X, 0.45 * swing)
        pose.turn(f"{side}_Elbow", Y, -sign * 0.35)
    pose.trans[:, 2] = 1.2 * pose.time
    return pose.motion(every_frame_on_ground=True)


def waving(frames: int = 60) -> hymotion.Motion:
    """With the left hand above the head."""
    pose = Pose(frames)
    pose.turn("L_Shoulder", Z, 1.85)
    pose.turn("L_Elbow", Z, 0.8 + 0.5 * torch.sin(2 * np.pi * 1.5 * pose.time))
    return pose.motion()


def jumping(frames: int = 50) -> hymotion.Motion:
    """A crouch, 0.5 m up with the arms high, and down again."""
    pose = Pose(frames)
    share = torch.linspace(0, 1, frames, dtype=torch.float64)
    air = ((share - 0.35) / 0.35).clamp(0, 1)
    crouch = torch.exp(-(((share - 0.25) / 0.1) ** 2)) + torch.exp(-(((share - 0.8) / 0.08) ** 2))
    for side, sign in (("L", 1), ("R", -1)):
        pose.turn(f"{side}_Hip", X, -0.9 * crouch)
        pose.turn(f"{side}_Knee", X, 1.6 * crouch)
        pose.turn(f"{side}_Ankle", X, -0.7 * crouch)
        pose.turn(f"{side}_Shoulder", Z, sign * 2.6 * torch.sin(np.pi * air))
    legs = 0.835 - 0.417 * (torch.cos(0.9 * crouch) + torch.cos(0.7 * crouch))
    pose.trans[:, 1] = 4 * 0.5 * air * (1 - air) - legs
    return pose.motion()


def rolling(frames: int = 60) -> hymotion.Motion:
    """Forward over the back, tucked."""
    pose = Pose(frames)
    share = torch.linspace(0, 1, frames, dtype=torch.float64)
    tuck = torch.sin(np.pi * share).clamp(min=0) ** 0.5
    for side in "LR":
        pose.turn(f"{side}_Hip", X, -2.0 * tuck)
        pose.turn(f"{side}_Knee", X, 2.0 * tuck)
        pose.turn(f"{side}_Shoulder", X, -1.2 * tuck)
    for joint in ("Spine1", "Spine2", "Neck"):
        pose.turn(joint, X, 0.45 * tuck)
    pose.turn("Pelvis", X, 2 * np.pi * share**1.2)
    pose.trans[:, 2] = 1.8 * share
    return pose.motion(every_frame_on_ground=True)


def wild(frames: int = 25) -> hymotion.Motion:
    """Every joint turned any way, so that all quadrants of the angles occur."""
    generator = torch.Generator().manual_seed(3)
    pose = Pose(frames)
    vectors = torch.randn(frames, 22, 3, generator=generator, dtype=torch.float64) * 2
    pose.matrices = matrix_from_axis_angle(vectors)
    pose.trans = torch.linspace(-3, 3, 3 * frames, dtype=torch.float64).reshape(frames, 3)
    return pose.motion()
