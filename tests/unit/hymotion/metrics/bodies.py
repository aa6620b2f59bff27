"""Made-up motions: a body that stands, marches, waves, bows or turns, by formula."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from hymotion.body.motion import Motion
from hymotion.body.rotation import matrix_from_axis_angle, rot6d_from_matrix
from hymotion.body.skeleton import BODY, PELVIS_HEIGHT
from hymotion.decoding.ground import soles
from hymotion.decoding.kinematics import forward_kinematics

Vectors = dict[str, Tensor]
NAMES = {name: index for index, name in enumerate(BODY.names)}


def posed(turns: Tensor, trans: Tensor, *, grounded: bool = False) -> Motion:
    """A motion from axis-angle rotations (L, 22, 3) and root translation (L, 3)."""
    matrices = matrix_from_axis_angle(turns.double())
    positions, world = forward_kinematics(matrices, BODY)
    trans = trans.double().clone()
    if grounded:
        trans[:, 1] -= soles(positions + trans[:, None], world, BODY)[0].amin()
    return Motion(
        rot6d=rot6d_from_matrix(matrices).numpy().astype(np.float32),
        trans=trans.numpy().astype(np.float32),
        joints=(positions + trans[:, None]).numpy().astype(np.float32),
    )


def standing(frames: int = 40, *, velocity: tuple[float, float, float] = (0, 0, 0)) -> Motion:
    """A body at rest that is moved as a whole, m/s at 30 fps."""
    time = torch.arange(frames, dtype=torch.float64)[:, None] / 30
    start = torch.tensor([0.0, PELVIS_HEIGHT, 0.0], dtype=torch.float64)
    return posed(torch.zeros(frames, 22, 3), start + time * torch.tensor(velocity))


def shifted(motion: Motion, by: Tensor) -> Motion:
    """The motion with (3,) or (L, 3) metres added to where it is."""
    way = by.numpy().astype(np.float32).reshape(-1, 3)
    return replace(motion, trans=motion.trans + way, joints=motion.joints + way[:, None])


def march(time: Tensor, size: float) -> Vectors:
    swing = torch.sin(time) * 0.5 * size
    lift = torch.clamp(torch.cos(time), min=0) * size
    drop = torch.clamp(-torch.cos(time), min=0) * size
    return {"L_Hip": -swing, "R_Hip": swing, "L_Knee": lift, "R_Knee": drop}


def wave(time: Tensor, size: float) -> Vectors:
    return {"L_Shoulder": torch.sin(time) * size - 0.4, "L_Elbow": torch.cos(time) * size}


def bow(time: Tensor, size: float) -> Vectors:
    lean = (1 - torch.cos(time)) * 0.4 * size
    return {"Spine1": lean, "Spine2": lean, "Neck": lean / 2}


def turn(time: Tensor, size: float) -> Vectors:
    return {"Pelvis": time * 0.4 * size}


ACTIONS: dict[str, Callable[[Tensor, float], Vectors]] = {
    "march": march,
    "wave": wave,
    "bow": bow,
    "turn": turn,
}
AXES = {"L_Shoulder": 2, "L_Elbow": 2, "Pelvis": 1}


def acting(action: str, *, seed: int, frames: int = 60) -> Motion:
    """Somebody who does an action at a speed, a size and in a direction of their own."""
    generator = torch.Generator().manual_seed(seed)
    draw = torch.rand(4, generator=generator, dtype=torch.float64)
    time = torch.arange(frames, dtype=torch.float64) / 30
    phase = time * (3 + 3 * float(draw[0])) + 2 * math.pi * float(draw[1])
    turns = torch.zeros(frames, 22, 3, dtype=torch.float64)
    for name, angle in ACTIONS[action](phase, 0.7 + 0.6 * float(draw[2])).items():
        turns[:, NAMES[name], AXES.get(name, 0)] = angle
    turns[:, 0, 1] += 2 * math.pi * float(draw[3])
    turns += torch.randn(22, 3, generator=generator, dtype=torch.float64) * 0.03
    return posed(turns, torch.zeros(frames, 3), grounded=True)


def noise(*, seed: int, frames: int = 60) -> Motion:
    """Rotations drawn afresh for each frame."""
    generator = torch.Generator().manual_seed(seed)
    return posed(
        torch.randn(frames, 22, 3, generator=generator), torch.zeros(frames, 3), grounded=True
    )


def spliced(one: Motion, other: Motion) -> Motion:
    """One motion after the other."""
    return Motion(
        rot6d=np.concatenate((one.rot6d, other.rot6d)),
        trans=np.concatenate((one.trans, other.trans)),
        joints=np.concatenate((one.joints, other.joints)),
    )
