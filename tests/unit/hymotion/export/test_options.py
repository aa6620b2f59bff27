"""Options of every format: frame rate, place, up axis, unit and names, in numbers."""

import io
from pathlib import Path

import numpy as np
import pytest
from bvh import Bvh

import hymotion
from hymotion.body.skeleton import BODY
from hymotion.errors import ExportError, MotionFileError
from hymotion.export import (
    FORMATS,
    JOINT_NAMES,
    ExportOptions,
    read_npz,
    retimed,
    write_bvh,
    write_npz,
)
from hymotion.export.preparation import prepared
from tests.unit.hymotion.export.test_bvh import joints_of
from tests.unit.hymotion.figures import jumping, rolling, walking, wild


@pytest.mark.parametrize(
    "wrong", [{"fps": 25}, {"fps": 0}, {"up": "x"}, {"scale": "mm"}, {"names": "fbx"}]
)
def test_values_that_cannot_be(wrong: dict[str, object]) -> None:
    with pytest.raises(ExportError, match="Choose one of"):
        ExportOptions(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(("fps", "frames"), [(24, 72), (30, 90), (60, 179)])
def test_a_new_frame_rate_keeps_the_speed(fps: int, frames: int) -> None:
    motion = retimed(walking(90), fps)
    assert (motion.fps, motion.frames) == (fps, frames)
    # 1.2 m/s, whatever the frame rate.
    seconds = (motion.frames - 1) / fps
    assert motion.trans[-1, 2] == pytest.approx(1.2 * seconds, abs=1e-4)
    assert motion.joints[:, 0] == pytest.approx(motion.trans, abs=1e-6)


def test_frames_that_both_rates_have_are_the_same() -> None:
    for motion in (rolling(), wild()):
        doubled = retimed(motion, 60)
        assert np.abs(doubled.joints[::2] - motion.joints).max() < 1e-5
        assert np.abs(doubled.rot6d[::2] - motion.rot6d).max() < 1e-5
        slower = retimed(motion, 24)
        assert np.abs(slower.joints[::4] - motion.joints[::5]).max() < 1e-5


def test_between_frames_the_turn_is_halfway() -> None:
    motion = rolling()
    doubled = retimed(motion, 60)
    before, between, after = (doubled.matrices()[k::2][:-1] for k in (0, 1, 2))
    first = before[: len(between)].transpose(-1, -2) @ between
    second = between.transpose(-1, -2) @ after[: len(between)]
    assert (first - second).abs().max() < 1e-6
    # The shorter way round, also where the quaternions of neighbours differ in sign.
    way = np.linalg.norm(np.diff(doubled.joints, axis=0), axis=-1).max()
    whole = np.linalg.norm(np.diff(motion.joints, axis=0), axis=-1).max()
    assert way < 0.6 * whole


def test_in_place_keeps_height_and_turn() -> None:
    motion = jumping()
    away = hymotion.Motion(
        rot6d=motion.rot6d, trans=motion.trans + np.float32([2, 0, 3]),
        joints=motion.joints + np.float32([2, 0, 3]),
    )  # fmt: skip
    there = prepared(away, ExportOptions(in_place=True))
    assert np.abs(there.joints[:, 0, [0, 2]]).max() == 0
    assert np.array_equal(there.joints[..., 1], motion.joints[..., 1])
    assert np.array_equal(there.rot6d, motion.rot6d)
    assert np.ptp(there.joints[:, 0, 1]) > 0.4


def test_bvh_with_every_option() -> None:
    motion = walking()
    buffer = io.StringIO()
    options = ExportOptions(fps=24, in_place=True, up="z", scale="m", names="hik")
    write_bvh(motion, buffer, options=options)
    file = Bvh(buffer.getvalue())
    names = file.get_joints_names()
    assert sorted(names) == sorted(JOINT_NAMES["hik"])
    assert file.frame_time == pytest.approx(1 / 24, abs=1e-7)
    order = [names.index(name) for name in JOINT_NAMES["hik"]]
    x, y, z = retimed(motion, 24).joints.astype(np.float64).transpose(2, 0, 1)
    there = np.stack((x - x[:, :1], -(z - z[:, :1]), y), axis=-1)
    assert np.abs(joints_of(file)[:, order] - there).max() < 1e-3
    # The body at rest stands along Z, so that it can be characterised.
    assert file.joint_offset("LeftLeg")[2] == pytest.approx(-0.417, abs=1e-6)


def test_npz_with_every_option(tmp_path: Path) -> None:
    motion = walking()
    path = tmp_path / "a.npz"
    options = ExportOptions(fps=60, up="z", scale="cm", names="smplh")
    FORMATS["npz"].write(motion, path, {"seed": 1}, options)
    with np.load(path) as file:
        x, y, z = retimed(motion, 60).joints.astype(np.float64).transpose(2, 0, 1)
        assert np.abs(file["joints"] - np.stack((x, -z, y), axis=-1) * 100).max() < 0.01
        assert np.abs(file["trans"] - file["joints"][:, 0]).max() < 0.01
        assert (file["fps"], file["up"], file["unit"], file["seed"]) == (60, "z", "cm", 1)
        assert tuple(file["joint_names"]) == JOINT_NAMES["smplh"]
        # The local rotations are the body's own; only the root turns to the new axes.
        assert np.abs(file["rot6d"][::2, 1:] - motion.rot6d[:, 1:]).max() < 1e-5
    with pytest.raises(MotionFileError, match="exported with up z"):
        read_npz(path)


def test_another_frame_rate_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    FORMATS["npz"].write(walking(), path, {}, ExportOptions(fps=24, in_place=True))
    found = read_npz(path).motion
    assert (found.fps, found.frames) == (24, 72)


def test_the_usual_options_change_nothing() -> None:
    motion = walking(30)
    usual = ExportOptions(fps=30, scale="m")
    first, second = io.BytesIO(), io.BytesIO()
    write_npz(motion, first, metadata={})
    write_npz(motion, second, metadata={}, options=usual)
    assert first.getvalue() == second.getvalue()


def test_names_are_each_other_s_mirror() -> None:
    for scheme, names in JOINT_NAMES.items():
        assert len(set(names)) == len(BODY.names), scheme
        mirrored = {
            name.replace("left", "right").replace("Left", "Right").replace("L_", "R_")
            for name in names
        }
        assert mirrored <= set(names), scheme
        # The same side in the same place as our own joints.
        for own, name in zip(BODY.names, names, strict=True):
            assert own.startswith("L_") == ("left" in name.lower() or name.startswith("L_")), name


@pytest.mark.parametrize("name", FORMATS)
def test_a_new_file_follows_no_link_and_replaces_none(name: str, tmp_path: Path) -> None:
    victim, path = tmp_path / "victim", tmp_path / "part"
    victim.write_text("theirs")
    path.symlink_to(victim)
    with pytest.raises(FileExistsError):
        FORMATS[name].write(walking(), path, {}, new=True)
    assert victim.read_text() == "theirs"
    path.unlink()
    FORMATS[name].write(walking(), path, {}, new=True)
    assert path.stat().st_size > 100
