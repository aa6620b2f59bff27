"""The bvh format, read back with an independent parser and kinematics written for the test."""

import io

import numpy as np
import pytest
import torch
from bvh import Bvh
from numpy.typing import NDArray

import hymotion
from hymotion.body.rotation import matrix_from_axis_angle, rot6d_from_matrix
from hymotion.body.skeleton import BODY
from hymotion.decoding.kinematics import forward_kinematics
from hymotion.export import write_bvh
from hymotion.export.bvh import unwrapped_degrees

Array = NDArray[np.float64]


def about(axis: str, degrees: float) -> Array:
    """Turn about one axis, by the right-hand rule."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return {
        "X": np.array([[1, 0, 0], [0, c, -s], [0, s, c]]),
        "Y": np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]),
        "Z": np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]),
    }[axis]


def joints_of(file: Bvh) -> Array:
    """(L, J, 3) joint positions in the file's order, in its own unit."""
    names = file.get_joints_names()
    result = np.zeros((file.nframes, len(names), 3))
    for frame in range(file.nframes):
        turns: list[Array] = []
        for index, name in enumerate(names):
            channels = file.joint_channels(name)
            values = file.frame_joint_channels(frame, name, channels)
            offset = np.array(file.joint_offset(name))
            turn = np.eye(3)
            for channel, value in zip(channels, values, strict=True):
                if channel.endswith("position"):
                    offset["XYZ".index(channel[0])] += value
                else:
                    turn = turn @ about(channel[0], value)
            parent = file.joint_parent_index(name)
            if parent < 0:
                result[frame, index] = offset
                turns.append(turn)
            else:
                result[frame, index] = result[frame, parent] + turns[parent] @ offset
                turns.append(turns[parent] @ turn)
    return result


def read(motion: hymotion.Motion) -> Bvh:
    buffer = io.StringIO()
    write_bvh(motion, buffer)
    return Bvh(buffer.getvalue())


@pytest.fixture(scope="module")
def motion(full) -> hymotion.Motion:  # type: ignore[no-untyped-def]
    request = hymotion.Request(frames=40, seed=1, prompt="a person spins", steps=5)
    return full.sample([request])[0]


@pytest.fixture(scope="module")
def wild() -> hymotion.Motion:
    """Every joint turned any way, so that all quadrants of the angles occur."""
    generator = torch.Generator().manual_seed(3)
    vectors = torch.randn(25, 22, 3, generator=generator, dtype=torch.float64) * 2
    matrices = matrix_from_axis_angle(vectors)
    trans = torch.linspace(-3, 3, 75, dtype=torch.float64).reshape(25, 3)
    positions, _ = forward_kinematics(matrices, BODY)
    return hymotion.Motion(
        rot6d=rot6d_from_matrix(matrices).numpy().astype(np.float32),
        trans=trans.numpy().astype(np.float32),
        joints=(positions + trans[:, None]).numpy().astype(np.float32),
    )


@pytest.mark.parametrize("name", ["motion", "wild"])
def test_joints_come_back_within_a_millimetre(name: str, request: pytest.FixtureRequest) -> None:
    motion: hymotion.Motion = request.getfixturevalue(name)
    file = read(motion)
    names = file.get_joints_names()
    assert sorted(names) == sorted(BODY.names)
    order = [names.index(joint) for joint in BODY.names]
    metres = joints_of(file)[:, order] / 100
    assert np.abs(metres - motion.joints).max() < 1e-3


def test_the_hierarchy_is_what_animation_programs_expect(motion: hymotion.Motion) -> None:
    file = read(motion)
    assert file.nframes == 40
    assert file.frame_time == pytest.approx(1 / 30, abs=1e-7)
    assert file.joint_offset("Pelvis") == (0, 0, 0)
    assert file.joint_channels("Pelvis")[:3] == ["Xposition", "Yposition", "Zposition"]
    for name in BODY.names:
        assert file.joint_channels(name)[-3:] == ["Zrotation", "Xrotation", "Yrotation"]
        parent = BODY.parents[BODY.names.index(name)]
        assert file.joint_parent_index(name) == (
            -1 if parent < 0 else file.get_joints_names().index(BODY.names[parent])
        )
    ends = file.search("End", "Site")
    assert len(ends) == 5
    assert all(np.linalg.norm([float(value) for value in end["OFFSET"]]) > 1 for end in ends)
    assert all(len(row) == 6 + 21 * 3 for row in file.frames)


def test_the_file_is_plain_ascii_and_ends_in_a_line(motion: hymotion.Motion) -> None:
    buffer = io.StringIO()
    write_bvh(motion, buffer)
    text = buffer.getvalue()
    assert text.isascii()
    assert text.endswith("\n")
    assert "nan" not in text
    assert len(text.splitlines()) == text.count("\n")


def test_angles_do_not_jump_where_the_rotation_does_not() -> None:
    # A body that turns about the vertical three times, and one that tumbles over.
    angle = torch.linspace(0, 6 * np.pi, 200, dtype=torch.float64)
    for axis in ([0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.6, 0.8, 0.0]):
        vectors = angle[:, None, None] * torch.tensor(axis, dtype=torch.float64)
        degrees = unwrapped_degrees(matrix_from_axis_angle(vectors))
        # 5.4 degrees a frame; near the lock of a tilted axis single angles go a little faster.
        assert np.abs(np.diff(degrees, axis=0)).max() < 30, axis
