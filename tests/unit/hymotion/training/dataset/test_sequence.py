"""Sequences and longer variants: spliced where poses fit, dropped where they do not."""

import random
from dataclasses import replace

import torch

from hymotion.body.skeleton import PELVIS_HEIGHT
from hymotion.training.dataset.holding import Sway
from hymotion.training.dataset.sample import LONGEST, Sample
from hymotion.training.dataset.sequence import ATTEMPTS, Pairing
from hymotion.training.dataset.variation import varied
from hymotion.training.mocap.bvh import axis_turn
from hymotion.training.mocap.clip import Clip


def clip(name: str, *, frames: int, arms: float = 0.0, bent: float = 0.0) -> Clip:
    """Somebody who stands, arms raised and back bent by angles."""
    rotations = torch.eye(3, dtype=torch.float64).repeat(frames, 22, 1, 1)
    angle = torch.full((frames,), arms, dtype=torch.float64)
    rotations[:, 16], rotations[:, 17] = axis_turn(2, angle), axis_turn(2, -angle)
    rotations[:, 3] = axis_turn(0, torch.full((frames,), bent, dtype=torch.float64))
    trans = torch.zeros(frames, 3, dtype=torch.float64)
    trans[:, 1] = PELVIS_HEIGHT
    made = Clip(name, "test", name, rotations, trans, name)
    trans[:, 1] -= made.soles()[0].min()
    return made


def sample(action: str, made: Clip, split: str = "train") -> Sample:
    return Sample(made, ((action, {}),), split)


def sway() -> Sway:
    return Sway(torch.eye(3, dtype=torch.float64).repeat(20, 22, 1, 1))


def test_a_sequence_shows_both_actions_in_order() -> None:
    samples = [sample("kick", clip("a", frames=50)), sample("wave", clip("b", frames=60))]
    pairing = Pairing.of(samples, None)
    names = set()
    for seed in range(20):
        made, dropped = pairing.draw("s", random.Random(seed))
        assert made is not None
        assert dropped == 0
        assert made.clip.frames == sum({"kick": 50, "wave": 60}[a] for a, _ in made.shows) - 12
        names.add(tuple(action for action, _ in made.shows))
    assert names == {(a, b) for a in ("kick", "wave") for b in ("kick", "wave")}


def test_poses_that_are_far_apart_are_dropped_and_counted() -> None:
    upright = sample("kick", clip("a", frames=50))
    bent = clip("b", frames=50, arms=-1.5, bent=2.0)
    bent = replace(bent, trans=bent.trans + torch.tensor([0.0, 0.2, 0.0]))
    pairing = Pairing([[upright]], [[sample("wave", bent)]], None)
    assert pairing.draw("s", random.Random(0)) == (None, ATTEMPTS)
    nearly = Pairing([[upright]], [[sample("wave", clip("c", frames=50, arms=-0.6))]], None)
    made, dropped = nearly.draw("s", random.Random(0))
    assert made is not None
    assert dropped == 0


def test_nobody_who_lies_starts_or_ends_a_part() -> None:
    standing = clip("a", frames=50)
    rotations = standing.rotations.clone()
    rotations[:, 0] = axis_turn(0, torch.full((50,), 1.5, dtype=torch.float64))
    lying = sample("crawl", replace(standing, rotations=rotations))
    pairing = Pairing.of([sample("kick", standing), lying], None)
    for groups in (pairing.firsts, pairing.seconds):
        assert [group[0].action for group in groups] == ["kick"]


def test_a_steady_action_is_cut_where_the_other_fits() -> None:
    """Only the middle of the dance has the arms down, as the kick has."""
    moments = torch.arange(200, dtype=torch.float64)
    dance = clip("dance", frames=200)
    arms = -1.5 * torch.tanh((moments - 100).abs() / 15)
    dance.rotations[:, 16], dance.rotations[:, 17] = axis_turn(2, arms), axis_turn(2, -arms)
    pairing = Pairing([[sample("dance", dance)]], [[sample("kick", clip("k", frames=50))]], None)
    ends = []
    for seed in range(12):
        made, _ = pairing.draw("s", random.Random(seed))
        if made is not None:
            ends.append(float(made.clip.rotations[-51, 16, 1, 0].abs()))
    # A cut anywhere would leave the arms up, a sine of 0.98, nearly always.
    assert sum(end < 0.9 for end in ends) >= len(ends) / 2


def test_longer_variants_fit_the_longest_motion_and_are_longer_than_the_take() -> None:
    variants = list(varied(sample("kick", clip("a", frames=50)), 20, sway(), random.Random(0)))
    longer = [v for v in variants if "_l" in v.clip.name]
    assert len(longer) == 20
    assert len({v.clip.name for v in variants}) == len(variants)
    assert all(40 <= v.clip.frames <= LONGEST for v in longer)
    assert sum(v.clip.frames > 80 for v in longer) > 12
    slow = sample("sit_and_stand", clip("b", frames=350))
    assert all(v.clip.frames <= LONGEST for v in varied(slow, 10, sway(), random.Random(0)))


def test_nothing_is_held_that_is_not_at_rest() -> None:
    running = clip("run", frames=50)
    running = replace(running, trans=running.trans + torch.arange(50)[:, None] * 0.1)
    variants = varied(sample("kick_ball", running), 10, sway(), random.Random(0))
    assert not any("_l" in v.clip.name for v in variants)
    # A spin kick may come twice; this one ends as it starts.
    again = varied(sample("spin_kick", running), 10, sway(), random.Random(0))
    assert all(v.clip.frames >= 2 * 40 - 12 for v in again if "_l" in v.clip.name)
