"""Frames, ground, contacts and segments, on motions made here."""

import dataclasses

import pytest
import torch

from hymotion.body.rotation import matrix_from_rot6d
from hymotion.body.skeleton import BODY, PELVIS_HEIGHT
from hymotion.decoding.leg import ANKLES, BALLS, HEELS
from hymotion.decoding.planting import RECORDED, foot_contacts
from hymotion.decoding.rows import FrameRows
from hymotion.training.dataset.frames import (
    POSITIONS,
    ROTATIONS,
    TRANSLATION,
    canonical,
    frames_of,
    heading,
    moved,
)
from hymotion.training.dataset.labels import own_segments, read_segments
from hymotion.training.errors import MocapError
from hymotion.training.mocap.bvh import axis_turn
from hymotion.training.mocap.clip import Clip
from hymotion.training.mocap.ground import ground_level

HEADER = "take\tstart\tend\taction\tattributes\tsplit"


def standing(frames: int) -> Clip:
    """Somebody with slightly bent knees, soles flat on the ground."""
    rotations = torch.eye(3, dtype=torch.float64).repeat(frames, 22, 1, 1)
    for joint, angle in ((1, -0.3), (2, -0.3), (4, 0.6), (5, 0.6), (7, -0.3), (8, -0.3)):
        turn = torch.full((frames,), angle, dtype=torch.float64)
        rotations[:, joint] = axis_turn(0, turn)
    trans = torch.zeros(frames, 3, dtype=torch.float64)
    trans[:, 1] = PELVIS_HEIGHT
    clip = Clip("standing", "test", "test", rotations, trans)
    trans[:, 1] -= clip.soles()[0].min()
    return clip


def wild(frames: int, *, seed: int) -> Clip:
    numbers = torch.Generator().manual_seed(seed)
    angles = torch.randn(frames, 22, 3, generator=numbers, dtype=torch.float64) * 0.5
    turns = (
        axis_turn(0, angles[..., 0]) @ axis_turn(1, angles[..., 1]) @ axis_turn(2, angles[..., 2])
    )
    trans = torch.randn(frames, 3, generator=numbers, dtype=torch.float64)
    return Clip("wild", "test", "test", turns, trans)


def test_frames_round_trip() -> None:
    clip = wild(12, seed=1)
    frames = frames_of(clip)
    assert frames.shape == (12, 201)
    assert frames.dtype == torch.float32
    turns = matrix_from_rot6d(frames[:, ROTATIONS].reshape(12, 22, 6).double())
    assert torch.allclose(turns, clip.rotations, atol=1e-6)
    assert torch.allclose(frames[:, TRANSLATION].double(), clip.trans, atol=1e-6)


def test_positions_in_frames_are_the_pose_without_the_translation() -> None:
    clip = wild(4, seed=2)
    positions = frames_of(clip)[:, POSITIONS].reshape(4, 22, 3).double()
    world, _ = clip.pose()
    assert torch.allclose(positions + clip.trans[:, None], world, atol=1e-6)
    far = dataclasses.replace(clip, trans=clip.trans + 100)
    assert torch.allclose(frames_of(far)[:, POSITIONS].double(), positions.flatten(1), atol=1e-6)


def test_the_canonical_start_is_over_the_origin_facing_z_and_only_moves_the_whole() -> None:
    clip = moved(
        standing(5),
        turn=torch.tensor(1.2, dtype=torch.float64),
        shift=torch.tensor([3.0, 0.5, -2.0], dtype=torch.float64),
    )
    assert heading(clip.rotations[0, 0]) == pytest.approx(1.2)
    start = canonical(clip)
    assert torch.allclose(start.trans[0, [0, 2]], torch.zeros(2, dtype=torch.float64))
    assert heading(start.rotations[0, 0]) == pytest.approx(0, abs=1e-9)
    assert torch.allclose(start.trans[:, 1], clip.trans[:, 1])
    first, _ = clip.pose()
    second, _ = start.pose()
    assert torch.allclose(torch.cdist(first, first), torch.cdist(second, second), atol=1e-9)


def test_somebody_on_the_back_has_a_heading() -> None:
    quarter = torch.tensor(-torch.pi / 2, dtype=torch.float64)
    lying = axis_turn(1, torch.tensor(0.7, dtype=torch.float64)) @ axis_turn(0, quarter)
    assert heading(lying) == pytest.approx(0.7)


def contacts_of(clip: Clip) -> torch.Tensor:
    return foot_contacts(*clip.soles(), clip.trans, FrameRows.of([clip.frames]), RECORDED)


def skate(clip: Clip, contacts: torch.Tensor) -> float:
    """Mean slide in mm a frame of feet in contact: of heel or ball, whichever slides less."""
    _, points = clip.soles()
    feet = torch.stack((points[:, HEELS], points[:, BALLS]), dim=2)
    slide = feet.diff(dim=0)[..., [0, 2]].norm(dim=-1) * 1000
    held = contacts[1:] & contacts[:-1]
    return float(torch.where(held, slide, torch.inf).amin(2)[held.any(2)].mean())


def sliding() -> Clip:
    """Somebody standing who is shifted along x at 0.15 m/s, and rides 2 cm over the ground."""
    clip = standing(40)
    trans = clip.trans.clone()
    trans[:, 0] = torch.arange(40) * 0.005
    trans[:, 1] += 0.02
    return dataclasses.replace(clip, trans=trans)


def test_feet_in_contact_are_held_and_put_on_the_ground() -> None:
    clip = sliding()
    contacts = contacts_of(clip)
    assert contacts.all()
    assert skate(clip, contacts) == pytest.approx(5.0)
    fixed = clip.planted()
    assert skate(fixed, contacts) < 1.0
    soles = fixed.soles()[0][:, BALLS]
    assert soles.abs().max() < 0.003
    # Only the legs moved.
    assert torch.equal(fixed.trans, clip.trans)
    legs = [1, 2, 4, 5, 7, 8]
    others = [joint for joint in range(22) if joint not in legs]
    assert torch.equal(fixed.rotations[:, others], clip.rotations[:, others])


def test_bones_keep_their_length_and_feet_their_turn_when_planted() -> None:
    clip = sliding()
    fixed = clip.planted()
    turns, fixed_turns = clip.pose()[1], fixed.pose()[1]
    assert torch.allclose(turns[:, [7, 8]], fixed_turns[:, [7, 8]], atol=1e-9)
    places, _ = fixed.pose()
    for joint in range(1, 22):
        bone = (places[:, joint] - places[:, BODY.parents[joint]]).norm(dim=-1)
        assert torch.allclose(bone, BODY.offsets[joint].norm().expand(40), atol=1e-9)


def test_whoever_flies_touches_nothing_and_is_left_alone() -> None:
    clip = standing(20)
    clip = dataclasses.replace(clip, trans=clip.trans + torch.tensor([0.0, 1.0, 0.0]))
    assert not contacts_of(clip).any()
    assert torch.allclose(clip.planted().pose()[0], clip.pose()[0], atol=1e-3)


def test_the_ground_is_under_standing_feet() -> None:
    clip = standing(30)
    raised = dataclasses.replace(
        clip, trans=clip.trans + torch.tensor([0.0, 0.4, 0.0], dtype=torch.float64)
    )
    assert float(ground_level(raised)) == pytest.approx(0.4, abs=1e-9)


def test_a_segment_table_is_read() -> None:
    lines = [HEADER, "07_01\t3\t79\twalk\tspeed=slow,side=left\ttrain"]
    [segment] = read_segments(lines, where="table")
    assert segment.name == "07_01_0003_0079"
    assert dict(segment.attributes) == {"speed": "slow", "side": "left"}


@pytest.mark.parametrize(
    "line",
    [
        "07_01\t3\t10\twalk\t\ttrain",
        "07_01\t3\tx\twalk\t\ttrain",
        "07_01\t3\t79\t\t\ttrain",
        "07_01\t3\t79\twalk\tspeed\ttrain",
        "07_01\t3\t79\twalk\t\ttest",
        "07_01\t3\t79",
    ],
)
def test_a_line_that_makes_no_sense_is_named(line: str) -> None:
    with pytest.raises(MocapError, match="table:2"):
        read_segments([HEADER, line], where="table")


def test_columns_and_repeats_are_checked() -> None:
    line = "07_01\t3\t79\twalk\t\ttrain"
    with pytest.raises(MocapError, match="columns"):
        read_segments(["take\tstart", line], where="table")
    with pytest.raises(MocapError, match=r"table:3.*twice"):
        read_segments([HEADER, line, line], where="table")


def test_our_own_table_has_the_actions_and_no_frame_in_both_splits() -> None:
    segments = own_segments()
    assert len({segment.action for segment in segments}) >= 35
    assert {s.action for s in segments if s.split == "held"} >= {"walk", "run", "sit_and_stand"}
    for one in segments:
        for other in segments:
            if one.take == other.take and one.split != other.split:
                assert one.end <= other.start or other.end <= one.start


def gliding(speed: float) -> Clip:
    """Somebody whose feet move along with the body, metres a second."""
    clip = standing(30)
    ahead = torch.zeros_like(clip.trans)
    ahead[:, 2] = torch.arange(30) * speed / 30
    return dataclasses.replace(clip, trans=clip.trans + ahead)


def test_a_foot_may_be_a_little_faster_where_the_body_is_fast() -> None:
    assert bool(contacts_of(gliding(0.44)).all())
    assert not bool(contacts_of(gliding(0.60)).any())


def test_a_correction_fades_out_before_the_first_contact() -> None:
    clip = standing(60)
    trans = clip.trans.clone()
    trans[:, 1] += 0.03
    trans[:40, 1] += 0.3
    floating = dataclasses.replace(clip, trans=trans)
    fixed = floating.planted()
    moved_by = (fixed.pose()[0] - floating.pose()[0])[:, ANKLES].norm(dim=-1)
    assert float(moved_by[:26].max()) < 1e-6
    assert torch.allclose(moved_by[45:], torch.tensor(0.03, dtype=torch.float64), atol=2e-3)
    assert float(moved_by.diff(dim=0).abs().max()) < 0.015
