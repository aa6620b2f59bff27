"""Standing around an action, and lying on the ground: feet stay, movement dies down."""

from dataclasses import replace

import pytest
import torch

from hymotion.body.skeleton import BODY, PELVIS_HEIGHT
from hymotion.training.dataset.augmentation import mismatch
from hymotion.training.dataset.holding import SETTLE, Sway, at_rest, held
from hymotion.training.mocap.bvh import axis_turn
from hymotion.training.mocap.clip import Clip
from hymotion.training.mocap.ground import grounded


def raising(frames: int = 40, *, speed: float = 0.05, height: float = 0.0) -> Clip:
    """Somebody who stands and raises an arm by `speed` radians a frame."""
    moments = torch.arange(frames, dtype=torch.float64)
    rotations = torch.eye(3, dtype=torch.float64).repeat(frames, 22, 1, 1)
    rotations[:, 16] = axis_turn(2, speed * moments)
    trans = torch.zeros(frames, 3, dtype=torch.float64)
    trans[:, 1] = PELVIS_HEIGHT
    clip = Clip("raising", "test", "raising", rotations, trans)
    trans[:, 1] += height - clip.soles()[0].min()
    return clip


def sway(size: float = 0.02) -> Sway:
    moments = torch.arange(50, dtype=torch.float64)
    rotations = torch.eye(3, dtype=torch.float64).repeat(50, 22, 1, 1)
    for joint in range(22):
        rotations[:, joint] = axis_turn(0, size * torch.sin(moments / 8 + joint))
    return Sway.of(Clip("sway", "test", "sway", rotations, torch.zeros(50, 3).double()))


def test_a_held_clip_has_the_action_in_it_and_its_feet_stay() -> None:
    clip = raising()
    long = held(clip, before=30, after=50, sway=sway())
    assert long.frames == 120
    assert torch.equal(long.rotations[30:70], clip.rotations)
    legs = [1, 2, 4, 5, 7, 8, 10, 11]
    feet = long.pose()[0][:, legs]
    assert float((feet - feet[35]).abs().max()) < 1e-9


def test_the_movement_dies_down_without_a_jerk_and_goes_on_swaying() -> None:
    clip = raising()
    long = held(clip, before=0, after=50, sway=sway())
    wrist = long.pose()[0][:, 20]
    speed = wrist.diff(dim=0).norm(dim=-1)
    inside = float(speed[:39].max())
    assert float(speed[39]) > 0.7 * inside
    assert float(speed.diff().abs().max()) < 0.3 * inside
    assert float(speed[39 + SETTLE + 2 :].max()) < 0.3 * inside
    assert float(speed[39 + SETTLE + 2 :].max()) > 0


def test_holding_before_is_holding_after_backward() -> None:
    clip = raising()
    back = replace(clip, rotations=clip.rotations.flip(0), trans=clip.trans.flip(0))
    one = held(clip, before=20, after=0, sway=sway())
    other = held(back, before=0, after=20, sway=sway())
    assert torch.allclose(one.rotations, other.rotations.flip(0))


def test_only_who_stands_nearly_still_on_both_feet_can_be_held() -> None:
    clip = raising()
    assert at_rest(clip, end=True)
    assert at_rest(clip, end=False)
    running = replace(clip, trans=clip.trans + torch.arange(40)[:, None] * 0.1)
    assert not at_rest(running, end=True)
    assert not at_rest(raising(height=0.3), end=True)
    lying = clip.rotations.clone()
    lying[-4:, 0] = axis_turn(0, torch.full((4,), 1.5, dtype=torch.float64))
    assert not at_rest(replace(clip, rotations=lying), end=True)
    assert at_rest(replace(clip, rotations=lying), end=False)


def test_a_sway_is_to_and_fro_and_leaves_the_legs() -> None:
    whole = sway().frames(200, 17)
    assert whole.shape == (200, 22, 3, 3)
    steps = (whole[1:] - whole[:-1]).abs().amax((1, 2, 3))
    assert float(steps.max()) < 0.01
    legs = [BODY.names.index(name) for name in ("Pelvis", "L_Hip", "R_Knee", "L_Foot")]
    assert torch.equal(whole[:, legs], torch.eye(3, dtype=torch.float64).expand(200, 4, 3, 3))


def test_alike_poses_have_no_mismatch_wherever_they_are() -> None:
    clip = raising(speed=0.0)
    turn = axis_turn(1, torch.tensor(1.0, dtype=torch.float64))
    rotations = clip.rotations.clone()
    rotations[:, 0] = turn @ rotations[:, 0]
    away = replace(clip, rotations=rotations, trans=clip.trans + torch.tensor([5.0, 0.0, 2.0]))
    assert mismatch(clip, away, blend=10) == pytest.approx(0, abs=1e-9)
    higher = replace(clip, trans=clip.trans + torch.tensor([0.0, 0.5, 0.0]))
    assert mismatch(clip, higher, blend=10) == pytest.approx(0.5)


def test_feet_stand_on_the_ground_though_the_back_comes_under_it() -> None:
    """As in a roll on a body of other proportions: upright, then on the back, then upright."""
    clip = raising(60, speed=0.0)
    rotations, trans = clip.rotations.clone(), clip.trans.clone()
    moments = torch.arange(60, dtype=torch.float64)
    lying = torch.exp(-(((moments - 30) / 6) ** 2))
    rotations[:, 0] = axis_turn(0, -torch.pi / 2 * lying)
    trans[:, 1] -= 1.0 * lying
    settled = grounded(replace(clip, rotations=rotations, trans=trans))
    heights, _ = settled.soles()
    assert float(heights.min()) > -1e-9
    assert float(heights[[0, 1, 58, 59], :6].amin(1).abs().max()) < 1e-3
    jerk = settled.trans[:, 1].diff().diff().abs().max()
    assert float(jerk) < 1.5 * float(trans[:, 1].diff().diff().abs().max())
