"""Augmentation and texts: what is kept, what is swapped, what is continuous."""

import dataclasses

import pytest
import torch

from hymotion.body.skeleton import BODY
from hymotion.training.dataset.augmentation import (
    chained,
    cropped,
    mirrored,
    mirrored_text,
    respeeded,
    spliced,
)
from hymotion.training.dataset.labels import own_segments
from hymotion.training.errors import MocapError
from hymotion.training.mocap.bvh import axis_turn
from hymotion.training.mocap.clip import Clip
from hymotion.training.phrases.phrases import SUBJECTS, own_texts, read_texts


def gait(frames: int, *, period: int = 30, speed: float = 0.04, phase: float = 0.0) -> Clip:
    """Legs and arms that swing with a period while the body moves along +z."""
    moments = torch.arange(frames, dtype=torch.float64)
    swing = 0.5 * torch.sin(2 * torch.pi * (moments / period) + phase)
    rotations = torch.eye(3, dtype=torch.float64).repeat(frames, 22, 1, 1)
    rotations[:, 1], rotations[:, 2] = axis_turn(0, swing), axis_turn(0, -swing)
    rotations[:, 4] = axis_turn(0, swing.abs())
    rotations[:, 16] = axis_turn(2, 0.3 + 0.2 * swing)
    trans = torch.stack((0 * moments + 0.2, 0.9 + 0 * moments, speed * moments), dim=1)
    return Clip("gait", "test", "take", rotations, trans, "raises the left arm")


def test_mirroring_twice_is_the_identity() -> None:
    clip = gait(20)
    again = mirrored(mirrored(clip))
    assert torch.allclose(again.rotations, clip.rotations, atol=1e-12)
    assert torch.allclose(again.trans, clip.trans)
    assert again.label == clip.label


def test_the_mirror_has_every_joint_on_the_other_side() -> None:
    clip = gait(20)
    mirror = mirrored(clip)
    assert mirror.label == "raises the right arm"
    ours, _ = clip.pose()
    theirs, _ = mirror.pose()
    for index, name in enumerate(BODY.names):
        other = {"L": "R", "R": "L"}.get(name[0], name[0]) + name[1:] if name[1] == "_" else name
        place = theirs[:, BODY.names.index(other)]
        assert torch.allclose(place[:, 0], -ours[:, index, 0], atol=1e-9)
        assert torch.allclose(place[:, 1:], ours[:, index, 1:], atol=1e-9)


@pytest.mark.parametrize(
    ("text", "mirror"),
    [
        ("turns left, then right", "turns right, then left"),
        ("Left foot first", "Right foot first"),
        ("is upright and leftover", "is upright and leftover"),
    ],
)
def test_only_whole_words_are_swapped(text: str, mirror: str) -> None:
    assert mirrored_text(text) == mirror
    assert mirrored_text(mirror) == text


def test_twice_as_fast_has_half_the_frames_and_goes_as_far() -> None:
    clip = gait(41)
    fast = respeeded(clip, 2.0)
    assert fast.frames == 21
    assert torch.allclose(fast.rotations, clip.rotations[::2], atol=1e-9)
    assert torch.allclose(fast.trans, clip.trans[::2])
    slow = respeeded(clip, 0.5)
    assert torch.allclose(slow.rotations[::2], clip.rotations, atol=1e-9)
    with pytest.raises(MocapError):
        respeeded(clip, 0.0)


def test_a_crop_is_these_frames_and_no_others() -> None:
    clip = gait(20)
    assert torch.equal(cropped(clip, 5, 9).trans, clip.trans[5:9])
    with pytest.raises(MocapError, match="20 frames"):
        cropped(clip, 5, 21)


def largest_step(clip: Clip) -> float:
    return float(clip.pose()[0].diff(dim=0).norm(dim=-1).max())


def test_a_splice_is_continuous_and_goes_on_where_the_first_faces() -> None:
    first = gait(40)
    quarter = axis_turn(1, torch.full((40,), 1.3, dtype=torch.float64))
    second = gait(40, phase=0.4)
    turned = second.rotations.clone()
    turned[:, 0] = quarter @ turned[:, 0]
    away = (quarter @ second.trans[..., None])[..., 0] + 7.0
    away[:, 1] = second.trans[:, 1]
    second = dataclasses.replace(second, rotations=turned, trans=away)
    both = spliced(first, second, blend=10)
    assert both.frames == 70
    assert largest_step(both) < 1.5 * largest_step(first)
    assert torch.equal(both.rotations[:30], first.rotations[:30])
    ahead = both.trans[-1] - both.trans[-2]
    assert torch.allclose(ahead, first.trans[1] - first.trans[0], atol=1e-9)
    assert both.label == "raises the left arm, then raises the left arm"
    with pytest.raises(MocapError, match="blend"):
        spliced(first, second, blend=41)


def test_a_chained_walk_goes_on_without_a_jerk() -> None:
    clip = gait(50)
    long = chained(clip, frames=160)
    assert long.frames == 160
    assert largest_step(long) < 1.1 * largest_step(clip)
    assert float(long.trans[-1, 2]) == pytest.approx(159 * 0.04, rel=0.02)
    with pytest.raises(MocapError, match="20 frames"):
        chained(gait(20), frames=60)


def test_every_segment_has_texts_in_both_splits_and_its_mirror_too() -> None:
    texts = own_texts()
    for segment in own_segments():
        mirror = {key: mirrored_text(value) for key, value in segment.attributes.items()}
        for attributes in (segment.attributes, mirror):
            for split in ("train", "held"):
                assert texts.of(segment.action, attributes, split)


def test_held_out_texts_share_no_phrase_and_no_subject_with_training() -> None:
    texts = own_texts()
    for action in texts.actions:
        held = {p.phrase for p in texts.phrases if p.action == action and p.split == "held"}
        train = {p.phrase for p in texts.phrases if p.action == action and p.split == "train"}
        assert held
        assert train
        assert not held & train
    assert not set(SUBJECTS["held"]) & set(SUBJECTS["train"])


def test_a_side_is_said_and_never_the_other() -> None:
    texts = own_texts()
    for side, other in (("left", "right"), ("right", "left")):
        prompts = texts.of("kick", {"side": side}, "train")
        assert all(side in prompt and other not in prompt for prompt in prompts)


def test_a_sequence_names_both_in_order() -> None:
    texts = own_texts()
    prompts = texts.sequence(("walk", {}), ("backflip", {}), "train")
    assert "a person walks forward, then does a backflip" in prompts
    assert "a figure goes forward on foot, after that executes a back tuck" in texts.sequence(
        ("walk", {}), ("backflip", {}), "held"
    )


def test_what_has_no_phrase_and_lines_without_sense_are_refused() -> None:
    with pytest.raises(MocapError, match="no phrase"):
        own_texts().of("fly", {}, "train")
    header = "action\tattributes\tsplit\tphrase"
    with pytest.raises(MocapError, match="table:2"):
        read_texts([header, "walk\t\ttest\twalks"], where="table")
    with pytest.raises(MocapError, match=r"table:3.*twice"):
        read_texts([header, "walk\t\ttrain\twalks", "run\t\theld\twalks"], where="table")
