"""Decoding: smoothing, kinematics and ground, against slow and plain computations."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hymotion.body.rotation import (
    matrix_from_axis_angle,
    matrix_from_quaternion,
    quaternion_from_matrix,
    rot6d_from_matrix,
)
from hymotion.body.skeleton import BODY
from hymotion.decoding import Decoder
from hymotion.decoding.ground import soles
from hymotion.decoding.kinematics import forward_kinematics
from hymotion.decoding.rows import FrameRows
from hymotion.decoding.smoothing import smooth_rotations, smooth_translation
from hymotion.errors import ConfigError
from hymotion.metrics import measure
from tests.unit.hymotion.standing import standing


def rotations(frames: int, joints: int, *, seed: int = 0, size: float = 1.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(frames, joints, 3, generator=generator, dtype=torch.float64)
    return matrix_from_axis_angle(vectors * size)


def test_rotations_are_averaged_as_markley_says() -> None:
    matrices = rotations(12, 2, size=0.4)
    smoothed = smooth_rotations(matrices, FrameRows.of([12]))
    weights = np.exp(-0.5 * np.arange(-4, 5) ** 2)
    weights /= weights.sum()
    for frame in range(12):
        for joint in range(2):
            total = np.zeros((4, 4))
            for weight, at in zip(weights, range(frame - 4, frame + 5), strict=True):
                q = quaternion_from_matrix(matrices[min(max(at, 0), 11), joint]).numpy()
                total += weight * np.outer(q, q)
            best = torch.from_numpy(np.linalg.eigh(total)[1][:, -1])
            assert torch.allclose(matrix_from_quaternion(best), smoothed[frame, joint])


def test_smoothing_keeps_what_does_not_move() -> None:
    still = rotations(1, 22).expand(30, -1, -1, -1)
    assert torch.allclose(smooth_rotations(still, FrameRows.of([30])), still)


@settings(max_examples=20)
@given(st.lists(st.floats(-2, 2), min_size=6, max_size=6), st.integers(11, 40))
def test_polynomials_of_degree_5_pass_the_filter(numbers: list[float], frames: int) -> None:
    time = torch.linspace(-1, 1, frames, dtype=torch.float64)
    curve = sum(number * time**power for power, number in enumerate(numbers))
    assert isinstance(curve, Tensor)
    smoothed = smooth_translation(curve[:, None], FrameRows.of([frames]))
    assert torch.allclose(smoothed[:, 0], curve, atol=1e-8)


def test_the_filter_has_the_tabulated_weights() -> None:
    # Savitzky & Golay 1964, table III for quartic and quintic fits of 11 points, over 429.
    impulse = torch.zeros(31, 1, dtype=torch.float64)
    impulse[15] = 1.0
    table = torch.tensor([18, -45, -10, 60, 120, 143, 120, 60, -10, -45, 18]) / 429
    assert torch.allclose(smooth_translation(impulse, FrameRows.of([31]))[10:21, 0], table.double())


def test_kinematics_against_a_walk_down_each_chain() -> None:
    turns = rotations(3, 22)
    positions, world = forward_kinematics(turns, BODY)
    for frame in range(3):
        for joint in range(22):
            chain = [joint]
            while BODY.parents[chain[-1]] >= 0:
                chain.append(BODY.parents[chain[-1]])
            place = BODY.joints[0].clone()
            turn = torch.eye(3, dtype=torch.float64)
            for index in reversed(chain):
                place = place + turn @ (BODY.offsets[index] if index else torch.zeros(3).double())
                turn = turn @ turns[frame, index]
            assert torch.allclose(positions[frame, joint], place)
            assert torch.allclose(world[frame, joint], turn)


def test_a_root_stays_where_it_rests() -> None:
    rest = tuple((x + 1.0, y + 2.0, z + 3.0) for x, y, z in BODY.rest)
    away, _ = forward_kinematics(rotations(2, 22), dataclasses.replace(BODY, rest=rest))
    positions, _ = forward_kinematics(rotations(2, 22), BODY)
    assert torch.allclose(away, positions + torch.tensor([1.0, 2.0, 3.0]).double())


def test_bones_keep_their_length() -> None:
    positions, _ = forward_kinematics(rotations(5, 22), BODY)
    for joint, parent in enumerate(BODY.parents[1:], start=1):
        length = (positions[:, joint] - positions[:, parent]).norm(dim=-1)
        assert torch.allclose(length, BODY.offsets[joint].norm().expand(5))


def test_joints_without_rotations_follow_their_parent() -> None:
    known = rotations(2, 12)
    whole = torch.cat((known, torch.eye(3).double().expand(2, 10, 3, 3)), dim=1)
    for ours, expected in zip(
        forward_kinematics(known, BODY), forward_kinematics(whole, BODY), strict=True
    ):
        assert torch.allclose(ours, expected)


def still(frames: int = 20) -> Tensor:
    return torch.zeros(frames, 201)


def test_the_mean_stands_with_its_soles_on_the_ground() -> None:
    [motion] = Decoder(*standing()).decode([still()])
    assert motion.rot6d.shape == (20, 22, 6)
    assert motion.joints.dtype == np.float32
    height = dict(zip(BODY.names, motion.joints[0, :, 1].tolist(), strict=True))
    assert height["Pelvis"] == pytest.approx(0.961, abs=1e-6)
    assert height["L_Ankle"] == pytest.approx(0.066, abs=1e-6)
    assert height["L_Foot"] == pytest.approx(0.020, abs=1e-6)
    assert height["L_Wrist"] < height["L_Elbow"] < height["L_Shoulder"]
    assert motion.joints[0, 20, 0] > 0.2


@pytest.mark.parametrize("height", [-3.0, 0.0, 7.5])
def test_the_ground_does_not_depend_on_the_latent_s_height(height: float) -> None:
    mean, std = standing()
    mean = mean.clone()
    mean[1] = height
    [motion] = Decoder(mean, std).decode([still()])
    assert motion.trans[0, 1] == pytest.approx(0.961, abs=1e-5)


def test_one_shift_for_the_whole_clip() -> None:
    mean, _ = standing()
    std = torch.zeros(201)
    std[1] = 1.0
    latent = still(40)
    latent[:, 1] = torch.linspace(0, 1, 40)
    [motion] = Decoder(mean, std).decode([latent])
    assert motion.trans[:, 1].min() == pytest.approx(0.961, abs=1e-4)
    assert motion.trans[:, 1].max() == pytest.approx(1.961, abs=1e-4)


def test_lying_down_rests_on_flesh_not_on_soles() -> None:
    turn = torch.zeros(1, 22, 3, dtype=torch.float64)
    turn[:, 0, 0] = -math.pi / 2
    positions, world = forward_kinematics(matrix_from_axis_angle(turn), BODY)
    lowest = soles(positions, world, BODY)[0].amin()
    assert -0.16 < lowest < -0.10


def test_flat_dimensions_take_the_mean() -> None:
    mean, std = standing()
    flat = std.clone()
    flat[3:] = 0.9e-3
    wild = torch.randn(30, 201, generator=torch.Generator().manual_seed(0)) * 100
    wild[:, :3] = 0
    [motion] = Decoder(mean, flat).decode([wild])
    expected = rot6d_from_matrix(matrix_from_axis_angle(torch.zeros(3)))
    assert np.allclose(motion.rot6d[:, 0], expected, atol=1e-6)


@pytest.mark.parametrize("plant", [False, True])
def test_motion_is_consistent_with_itself(plant: bool) -> None:
    # Of these numbers planting lifts the lowest foot by a third of a millimetre.
    latent = torch.randn(30, 201, generator=torch.Generator().manual_seed(6)) * 0.4
    [motion] = Decoder(*standing(), plant_feet=plant).decode([latent])
    positions, turns = forward_kinematics(motion.matrices(), BODY)
    world = positions + torch.from_numpy(motion.trans).double()[:, None]
    assert np.abs(world.numpy() - motion.joints).max() < 1e-5
    assert float(soles(world, turns, BODY)[0].amin()) == pytest.approx(0, abs=1e-5)


def gliding() -> Tensor:
    """A latent of somebody who stands and is pushed along z at 0.3 m/s."""
    latent = still(60)
    latent[:, 2] = torch.arange(60) * 0.01
    return latent


def test_feet_are_held_where_they_stand_if_the_model_says_so() -> None:
    mean, _ = standing()
    std = torch.zeros(201)
    std[2] = 1.0
    [free] = Decoder(mean, std).decode([gliding()[:20]])
    [held] = Decoder(mean, std, plant_feet=True).decode([gliding()[:20]])
    assert measure(free).skate == pytest.approx(10.0, rel=0.05)
    assert (measure(held).skate or 0.0) < 3.0
    # The body goes where it went, and still rests on the ground.
    assert np.allclose(held.trans[:, (0, 2)], free.trans[:, (0, 2)])
    assert (measure(held).penetration or 0.0) < 1.0


def test_no_other_skeleton_can_be_planted() -> None:
    other = dataclasses.replace(BODY, contacts=())
    with pytest.raises(ConfigError, match=r"hymotion\.BODY"):
        Decoder(*standing(), skeleton=other, plant_feet=True)


def test_the_body_has_human_proportions() -> None:
    rest = BODY.joints
    crown = rest[15, 1] + BODY.tips[2].offset[1]
    assert crown + 0.961 == pytest.approx(1.70, abs=1e-6)
    span = 2 * (rest[20, 0] + BODY.tips[3].offset[0])
    assert span == pytest.approx(1.70, abs=0.06)
    for left, name in enumerate(BODY.names):
        if name.startswith("L_"):
            right = BODY.names.index(name.replace("L_", "R_"))
            mirrored = rest[right] * torch.tensor([-1.0, 1.0, 1.0])
            assert torch.allclose(rest[left], mirrored)
            assert rest[left, 0] > 0
    assert BODY.parents == (
        *(-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7),
        *(8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19),
    )
