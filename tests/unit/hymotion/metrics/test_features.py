"""Features and descriptors: what they see and what they must not see."""

import math

import pytest
import torch
from torch import Tensor

from hymotion.body.motion import Motion
from hymotion.body.rotation import axis_angle_from_matrix, matrix_from_axis_angle, matrix_from_rot6d
from hymotion.decoding.rows import FrameRows
from hymotion.errors import MeasureError
from hymotion.metrics.descriptor import NUMBERS, WAVES, WINDOW, cosines, describe
from hymotion.metrics.features import FEATURES, left_directions, motion_features, windows
from hymotion.metrics.posed import PosedMotions
from tests.unit.hymotion.metrics.bodies import ACTIONS, acting, posed, standing


def features_of(motion: Motion) -> Tensor:
    return motion_features(PosedMotions.of([motion]))


def described(motion: Motion) -> Tensor:
    [clip] = describe(PosedMotions.of([motion]))
    return clip


def moved(motion: Motion, *, yaw: float, way: tuple[float, float]) -> Motion:
    """The same motion elsewhere on the ground, facing elsewhere."""
    turn = matrix_from_axis_angle(torch.tensor([0.0, yaw, 0.0], dtype=torch.float64))
    matrices = matrix_from_rot6d(torch.from_numpy(motion.rot6d).double())
    matrices[:, 0] = turn @ matrices[:, 0]
    trans = torch.from_numpy(motion.trans).double() @ turn.T
    trans += torch.tensor([way[0], 0.0, way[1]])
    return posed(axis_angle_from_matrix(matrices), trans)


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_place_and_direction_in_the_world_do_not_matter(action: str) -> None:
    motion = acting(action, seed=5)
    there = moved(motion, yaw=2.0, way=(3.0, -4.0))
    ours, theirs = features_of(motion), features_of(there)
    assert ours.shape == (60, FEATURES)
    assert torch.allclose(ours, theirs, atol=1e-4)


@pytest.mark.parametrize("yaw", [0.0, 1.0, -2.5])
def test_forward_is_forward_whichever_way_the_body_faces(yaw: float) -> None:
    walk = moved(standing(velocity=(0, 0, 1.5)), yaw=yaw, way=(0, 0))
    velocity = features_of(walk)[:, 1:4]
    assert torch.allclose(velocity, torch.tensor([0.0, 0.0, 1.5]).expand(40, 3), atol=1e-4)


def test_turning_is_radians_a_second() -> None:
    turns = torch.zeros(40, 22, 3, dtype=torch.float64)
    turns[:, 0, 1] = torch.arange(40) / 30 * 1.2
    rate = features_of(posed(turns, torch.zeros(40, 3)))[:, 4]
    # The Gaussian over the facing direction reaches 15 frames, past which the ends are repeated.
    assert torch.allclose(rate[16:24], torch.full((8,), 1.2), atol=1e-4)


def test_facing_survives_a_moment_on_the_side() -> None:
    turns = torch.zeros(60, 22, 3, dtype=torch.float64)
    turns[:, 0, 2] = torch.linspace(0, 2 * math.pi, 60)
    rates = features_of(posed(turns, torch.zeros(60, 3)))[:, 4]
    assert rates.isfinite().all()
    world = torch.zeros(5, 22, 3, dtype=torch.float64)
    world[:, 1, 1] = 1.0
    left = left_directions(world, FrameRows.of([5]))
    assert torch.equal(left, torch.tensor([1.0, 0.0]).double().expand(5, 2))


def test_left_and_right_are_told_apart() -> None:
    motion = acting("wave", seed=2)
    turns = axis_angle_from_matrix(motion.matrices())
    mirrored = turns.clone()
    for left, right in ((16, 17), (18, 19)):
        mirrored[:, left], mirrored[:, right] = turns[:, right], turns[:, left]
    other = posed(mirrored, torch.from_numpy(motion.trans))
    assert (features_of(motion) - features_of(other)).abs().max() > 0.3


@pytest.mark.parametrize(
    ("frames", "starts"), [(20, [0]), (15, [0]), (40, [0, 10, 20]), (45, [0, 10, 20, 25])]
)
def test_windows_leave_no_frame_out(frames: int, starts: list[int]) -> None:
    assert windows(frames, length=20, stride=10) == starts


def test_cosines_are_orthonormal() -> None:
    rows = cosines()
    assert torch.allclose(rows @ rows.T, torch.eye(WAVES, dtype=torch.float64))


def test_a_descriptor_has_the_mean_and_the_tremor() -> None:
    found = described(standing(40, velocity=(0, 0, 1.5)))
    assert found.shape == (3, NUMBERS)
    assert torch.allclose(found[:, 3], torch.full((3,), 1.5).double(), atol=1e-4)
    assert torch.allclose(found[:, -22:].exp(), torch.tensor(0.02).double(), atol=1e-4)

    shaken = torch.zeros(40, 22, 3, dtype=torch.float64)
    shaken[:, 0, 1] = 0.01 * torch.sin(torch.arange(40) * 2.0)
    wrist = described(posed(shaken, torch.zeros(40, 3)))[:, -1].exp() - 0.02
    # A wrist 0.7 m from the axis, at 0.01 rad · sin(2 rad a frame) by central differences.
    assert torch.allclose(
        wrist, torch.tensor(0.7 * 0.01 * math.sin(2) * 30 / 2**0.5).double(), rtol=0.2
    )


def test_what_has_no_features_is_refused() -> None:
    with pytest.raises(MeasureError, match="window of 20"):
        described(acting("march", seed=1, frames=WINDOW - 1))
    with pytest.raises(MeasureError, match="no velocity"):
        features_of(acting("march", seed=1, frames=1))
    motion = acting("march", seed=1)
    motion.trans[4, 1] = float("nan")
    with pytest.raises(MeasureError, match="not finite"):
        features_of(motion)
    with pytest.raises(MeasureError, match="22 joints") as caught:
        features_of(Motion(rot6d=motion.rot6d[:, :5], trans=motion.trans, joints=motion.joints))
    assert caught.value.value == (60, 5, 6)
