"""Rotation forms: round trips, conventions, and the places where formulas divide by nothing."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from hymotion.body import rotation

ANGLE = st.floats(-2 * math.pi, 2 * math.pi, allow_subnormal=False)
AXIS = st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda axis: math.hypot(*axis) > 1e-3)


def turn(axis: tuple[float, float, float], angle: float) -> Tensor:
    """Rodrigues' formula, apart from the code under test."""
    x, y, z = (value / math.hypot(*axis) for value in axis)
    cross = torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]], dtype=torch.float64)
    return torch.eye(3).double() + math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross


ROTATION = st.builds(turn, AXIS, ANGLE)


def same(a: Tensor, b: Tensor, tolerance: float = 1e-9) -> bool:
    return bool((a - b).abs().max() < tolerance)


@given(ROTATION)
def test_six_numbers_round_trip(matrix: Tensor) -> None:
    assert same(rotation.matrix_from_rot6d(rotation.rot6d_from_matrix(matrix)), matrix)


@given(ROTATION)
def test_quaternion_round_trip(matrix: Tensor) -> None:
    quaternion = rotation.quaternion_from_matrix(matrix)
    assert quaternion[0] >= 0
    assert same(rotation.matrix_from_quaternion(quaternion), matrix)


@given(ROTATION)
def test_davenport_is_the_outer_product(matrix: Tensor) -> None:
    quaternion = rotation.quaternion_from_matrix(matrix)
    assert same(rotation.davenport(matrix), torch.outer(quaternion, quaternion))


@given(ROTATION)
def test_axis_angle_round_trip(matrix: Tensor) -> None:
    vector = rotation.axis_angle_from_matrix(matrix)
    assert vector.norm() <= math.pi + 1e-9
    assert same(rotation.matrix_from_axis_angle(vector), matrix)


@given(AXIS, st.floats(0, math.pi - 1e-6))
def test_axis_angle_is_axis_times_angle(axis: tuple[float, float, float], angle: float) -> None:
    unit = torch.tensor(axis, dtype=torch.float64) / math.hypot(*axis)
    assert same(rotation.axis_angle_from_matrix(turn(axis, angle)), unit * angle, 1e-7)


@given(ROTATION)
def test_euler_angles_mean_z_then_x_then_y(matrix: Tensor) -> None:
    z, x, y = rotation.euler_zxy_from_matrix(matrix).tolist()
    again = turn((0, 0, 1), z) @ turn((1, 0, 0), x) @ turn((0, 1, 0), y)
    assert same(again, matrix, 1e-6)


@pytest.mark.parametrize("x", [math.pi / 2, -math.pi / 2])
@pytest.mark.parametrize("z", [0.0, 1.0, -2.5])
@pytest.mark.parametrize("y", [0.0, 0.7, 3.0])
def test_euler_angles_at_gimbal_lock(z: float, x: float, y: float) -> None:
    matrix = turn((0, 0, 1), z) @ turn((1, 0, 0), x) @ turn((0, 1, 0), y)
    a, b, c = rotation.euler_zxy_from_matrix(matrix).tolist()
    again = turn((0, 0, 1), a) @ turn((1, 0, 0), b) @ turn((0, 1, 0), c)
    assert same(again, matrix, 1e-6)


def test_six_numbers_are_columns_stored_row_by_row() -> None:
    # A quarter turn about Z: x goes to y, y goes to −x. Columns (0, 1, 0) and (−1, 0, 0).
    quarter = torch.tensor([0.0, -1.0, 1.0, 0.0, 0.0, 0.0])
    expected = torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    assert same(rotation.matrix_from_rot6d(quarter), expected, 1e-6)


@given(st.lists(st.floats(-3, 3), min_size=6, max_size=6))
def test_any_six_numbers_with_two_directions_give_a_rotation(numbers: list[float]) -> None:
    six = torch.tensor(numbers, dtype=torch.float64)
    first, second = six.reshape(3, 2).unbind(-1)
    if torch.linalg.cross(first, second).norm() < 1e-3:
        return
    matrix = rotation.matrix_from_rot6d(six)
    assert same(matrix @ matrix.mT, torch.eye(3).double())
    assert torch.linalg.det(matrix) > 0


def test_half_turns_and_no_turn_have_no_nan() -> None:
    for axis in ((1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (1, 1, 1)):
        for angle in (0.0, 1e-13, math.pi):
            vector = rotation.axis_angle_from_matrix(turn(axis, angle))
            assert same(rotation.matrix_from_axis_angle(vector), turn(axis, angle))
