"""Real clips, the reference made of them, and the judge taught on them; on made-up clips."""

from collections import Counter
from pathlib import Path

import pytest
import torch

from hymotion.evaluation.judge import main, make, noise, teach, with_rest
from hymotion.evaluation.plan import Act
from hymotion.evaluation.real_clips import RealClip, Split, decoded, still
from hymotion.evaluation.reference import balanced, spliced_pair, typical_frames
from hymotion.metrics import FitSettings, load_classifier, read_reference
from hymotion.metrics.baseline import Baseline
from hymotion.metrics.posed import PosedMotions
from hymotion.metrics.surface import measure_surface
from hymotion.training.dataset.holding import Sway
from hymotion.training.errors import MocapError
from hymotion.training.mocap.clip import Clip
from tests.unit.hymotion.metrics.bodies import acting

MOVES = {"walk": "march", "wave": "wave", "bend": "bow", "spin": "turn"}


def real(action: str, *, seed: int, frames: int = 60, split: Split = "train") -> RealClip:
    motion = acting(MOVES[action], seed=seed, frames=frames)
    trans = torch.from_numpy(motion.trans).double() + torch.tensor([3.0, 0.0, 1.0])
    clip = Clip(f"{action}_{seed}", "test", str(seed), motion.matrices(), trans, action)
    return RealClip(clip, action, split)


@pytest.fixture(scope="module")
def clips() -> list[RealClip]:
    taught = [real(action, seed=seed) for action in MOVES for seed in range(3)]
    held = [real(action, seed=3, split="held") for action in MOVES]
    return taught + held


def test_a_decoded_clip_stands_on_the_ground_over_the_origin() -> None:
    motion = decoded(real("walk", seed=0).clip)
    assert abs(motion.trans[0, [0, 2]]).max() < 0.05
    surface = measure_surface(PosedMotions.of([motion]))
    assert float(surface.heights.amin() + surface.ground) == pytest.approx(0, abs=1e-5)


def test_variants_are_the_clip_its_mirror_and_other_speeds() -> None:
    one = real("wave", seed=1, frames=40, split="held")
    variants = list(one.variants((1.0, 2.0, 0.5)))
    assert [variant.clip.frames for variant in variants] == [40, 40, 20, 20, 79, 79]
    assert {variant.split for variant in variants} == {"held"}
    assert {variant.action for variant in variants} == {"wave"}
    assert torch.equal(variants[0].clip.rotations, one.clip.rotations)
    left, right = 16, 17
    mirrored = variants[1].clip.rotations[:, right]
    assert torch.allclose(mirrored[:, 0, 0], one.clip.rotations[:, left, 0, 0])
    assert len(list(one.variants((2.1,)))) == 0


def test_rest_is_beside_the_action_and_nothing_moves_in_it() -> None:
    one = real("wave", seed=2)
    item = one.between(still(one.clip, 0, 30), still(one.clip, 59, 20))
    assert item.span == (25, 75)
    assert item.motion.frames == 30 + 60 + 20 - 2 * 10
    speed = abs(item.motion.joints[1:] - item.motion.joints[:-1]).max((1, 2))
    assert speed[:12].max() < 1e-4
    assert speed[-8:].max() < 1e-4
    assert speed[30:70].max() > 0.01


def test_rest_is_the_same_for_the_same_seed(clips: list[RealClip]) -> None:
    sway = Sway.of(clips[0].clip)
    items = list(with_rest(clips[:8], sway, seed=1))
    again = list(with_rest(clips[:8], sway, seed=1))
    assert [item.motion.frames for item in items] == [item.motion.frames for item in again]
    assert [item.action for item in items] == [one.action for one in clips[:8]]
    for item in items:
        assert item.span is not None
        assert 10 <= item.span[0] <= 60
        # Blending takes 5 frames of the action on either side, holding none.
        assert item.span[1] - item.span[0] in {50, 60}


def test_a_pose_that_is_held_sways_before_and_after(clips: list[RealClip]) -> None:
    item = clips[0].standing(20, 30, Sway.of(clips[3].clip), 5)
    assert item.span == (20, 80)
    assert item.motion.frames == 110


def test_every_action_has_as_many_clips_in_the_reference(clips: list[RealClip]) -> None:
    long = [real("walk", seed=seed, frames=200) for seed in range(20, 33)]
    chosen = balanced([*clips[3:4], *long], each=8)
    assert Counter(one.action for one in chosen) == {"walk": 8, "wave": 8}
    walks = [one.clip for one in chosen if one.action == "walk"]
    assert {clip.frames for clip in walks} == {150}
    # Recorded ones, evenly from the whole table, before any variant.
    assert [clip.take for clip in walks] == [str(20 + index * 13 // 8) for index in range(8)]
    waves = [one.clip for one in chosen if one.action == "wave"]
    assert len({clip.name for clip in waves}) == 8
    assert typical_frames(long) == 150
    assert typical_frames(clips) == 60
    assert typical_frames([real("wave", seed=1, frames=22)]) == 40


def test_a_spliced_pair_shows_one_clip_after_the_other(clips: list[RealClip]) -> None:
    groups = {"walk": clips[:3], "wave": clips[3:6]}
    motion = spliced_pair(groups, Act("walk", {}, 50), Act("wave", {}, 40), 4)
    assert motion.frames == 50 + 40 - 10


def test_noise_has_the_lengths_and_actions_of_the_clips(clips: list[RealClip]) -> None:
    made = list(noise(clips, seed=0))
    assert [(one.action, one.motion.frames) for one in made] == [
        (one.action, one.clip.frames) for one in clips
    ]
    assert not (made[0].motion.rot6d == made[1].motion.rot6d).all()


def test_making_all_of_it(clips: list[RealClip], tmp_path: Path) -> None:
    lines = list(
        make(clips, Sway.of(clips[0].clip), tmp_path, FitSettings(steps=50, batch=24, width=24))
    )
    judge = load_classifier(tmp_path / "judge.npz")
    reference = read_reference(tmp_path / "reference.npz")
    figures = Baseline.read(tmp_path / "baseline.json")
    assert judge.actions == tuple(sorted(MOVES))
    assert lines[0].startswith("held-out clips: top-1 ")
    assert figures.held >= 0.85
    assert figures.noise <= 0.5
    assert figures.reference == reference.revision
    assert figures.actions["walk"].clips == 4
    assert figures.actions["walk"].held[1] == 1
    assert figures.actions["walk"].quality.jitter.count == 8
    assert figures.quality.jitter.count == 8 * len(MOVES)
    assert figures.noise_distance.value > 10 * figures.real_distance.value
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    list(make(clips, Sway.of(clips[0].clip), tmp_path, FitSettings(), keep=True))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_held_out_clips_teach_nothing(clips: list[RealClip]) -> None:
    few = [*clips[:12:3], *clips[12:]]
    lying = [
        RealClip(one.clip, "walk" if one.split == "held" else one.action, one.split) for one in few
    ]
    settings = FitSettings(steps=3, batch=8, width=16)
    one, other = (
        teach(source, Sway.of(clips[0].clip), settings).network.state_dict()
        for source in (few, lying)
    )
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_without_the_archives_the_command_says_what_it_needs(tmp_path: Path) -> None:
    with pytest.raises(MocapError, match=r"cmu\.tar\.xz"):
        main([str(tmp_path), str(tmp_path / "out")])
