"""The judge: taught on made-up actions, held to motions it has not seen."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hymotion.errors import MeasureError
from hymotion.metrics import (
    Classifier,
    FitSettings,
    Labelled,
    fit,
    load_classifier,
    recognise,
    save_classifier,
)
from hymotion.metrics.actionnet import ActionNet
from hymotion.metrics.features import FEATURES, VELOCITIES
from hymotion.metrics.fitting import Lessons
from hymotion.metrics.sequence import Span
from tests.unit.hymotion.metrics.bodies import ACTIONS, acting, noise, spliced, standing

SETTINGS = FitSettings(steps=80, batch=32, width=32)
BRIEF = replace(SETTINGS, steps=3)


def items() -> list[Labelled]:
    # Uneven on purpose: three times as many marches.
    taught = [
        Labelled(acting(action, seed=seed, frames=50 + seed), action)
        for action in ACTIONS
        for seed in range(18 if action == "march" else 6)
    ]
    held = [
        Labelled(acting(action, seed=seed, frames=90), action, "held")
        for action in ACTIONS
        for seed in range(100, 106)
    ]
    return taught + held


@pytest.fixture(scope="module")
def judge() -> Classifier:
    return fit(items(), SETTINGS)


def state(classifier: Classifier) -> dict[str, torch.Tensor]:
    return classifier.network.state_dict()


def test_motions_it_has_not_seen_are_recognised(judge: Classifier) -> None:
    accuracy = judge.score(item for item in items() if item.split == "held")
    assert judge.actions == tuple(sorted(ACTIONS))
    assert accuracy.count == 24
    assert accuracy.top1 >= 0.9
    assert sum(right for right, _ in accuracy.by_action.values()) == round(24 * accuracy.top1)
    assert {total for _, total in accuracy.by_action.values()} == {6}


def test_wrong_labels_are_counted_as_wrong(judge: Classifier) -> None:
    swapped = [Labelled(acting("wave", seed=seed), "bow") for seed in range(100, 104)] + [
        Labelled(acting("bow", seed=100), "bow")
    ]
    accuracy = judge.score(swapped)
    assert accuracy.top1 == pytest.approx(1 / 5)
    assert accuracy.by_action == {"bow": (1, 5)}
    assert accuracy.confused == {("bow", "wave"): 4}


def test_the_verdict_ranks_every_action(judge: Classifier) -> None:
    verdict = judge.predict(acting("turn", seed=300, frames=20))
    assert verdict.action == verdict.ranking[0] == "turn"
    assert sorted(verdict.ranking) == sorted(ACTIONS)
    assert 0.25 < verdict.probability <= 1


def test_held_motions_are_not_looked_at() -> None:
    every = items()
    taught = [item for item in every if item.split == "train"]
    stranger = Labelled(noise(seed=1), "noise", "held")
    with_held, without = fit([*every, stranger], BRIEF), fit(taught, BRIEF)
    assert with_held.actions == without.actions
    for name, tensor in state(without).items():
        assert torch.equal(tensor, state(with_held)[name])


def test_the_seed_decides_and_the_callers_random_state_stays() -> None:
    before = torch.get_rng_state()
    one, other = fit(items(), BRIEF), fit(items(), replace(BRIEF, seed=1))
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.equal(state(one)["leave.weight"], state(other)["leave.weight"])


def test_padding_changes_nothing() -> None:
    generator = torch.Generator().manual_seed(1)
    network = ActionNet(actions=3, width=16, dropout=0.0).eval()
    clips = torch.randn(2, 40, FEATURES, generator=generator)
    mask = torch.ones(2, 40, dtype=torch.bool)
    mask[0, 25:] = False
    with torch.inference_mode():
        padded = network(clips, mask)
        alone = network(clips[:1, :25], mask[:1, :25])
    assert torch.allclose(padded[0], alone[0], atol=1e-5)


def test_a_saved_judge_judges_the_same(judge: Classifier, tmp_path: Path) -> None:
    save_classifier(judge, tmp_path / "judge.npz")
    again = load_classifier(tmp_path / "judge.npz")
    motion = acting("march", seed=200)
    assert again.predict(motion) == judge.predict(motion)
    assert again.actions == judge.actions


def test_files_that_are_no_judge_are_refused(judge: Classifier, tmp_path: Path) -> None:
    path = tmp_path / "judge.npz"
    with pytest.raises(MeasureError, match="save_classifier"):
        load_classifier(path)
    path.write_bytes(b"PK\x03\x04 no zip")
    with pytest.raises(MeasureError, match="no classifier"):
        load_classifier(path)
    save_classifier(judge, path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(MeasureError, match="no classifier"):
        load_classifier(path)
    save_classifier(judge, path)
    with np.load(path) as archive:
        arrays = dict(archive)
    for name, value in (("format", np.array(99)), ("net.leave.bias", np.zeros(7, np.float32))):
        np.savez(path, allow_pickle=False, **{**arrays, name: value})
        with pytest.raises(MeasureError, match="no classifier"):
            load_classifier(path)


def test_unknown_actions_and_empty_lessons_are_refused(judge: Classifier) -> None:
    with pytest.raises(MeasureError, match="never taught fly") as caught:
        judge.score([Labelled(acting("march", seed=1), "fly")])
    assert caught.value.value == ("fly",)
    with pytest.raises(MeasureError, match="no motions"):
        judge.score([])
    with pytest.raises(MeasureError, match="at least two actions"):
        fit([Labelled(acting("march", seed=1), "march")], BRIEF)


def test_two_actions_are_recognised_in_their_order(judge: Classifier) -> None:
    both = spliced(acting("march", seed=201, frames=75), acting("wave", seed=202, frames=75))
    seen = recognise(judge, both, ["march"], ["wave"])
    assert seen.in_order
    assert seen.first is not None
    assert seen.second is not None
    assert seen.first.start == 0
    assert seen.second.stop == 150
    assert abs(seen.second.start - 75) <= 25
    assert not recognise(judge, both, ["wave"], ["march"]).in_order
    assert not recognise(judge, both, ["march"], ["bow"]).in_order


def test_one_action_is_no_sequence(judge: Classifier) -> None:
    seen = recognise(judge, acting("march", seed=203, frames=120), ["march"], ["wave", "bow"])
    assert seen.first == Span(start=0, stop=120)
    assert seen.second is None
    assert set(seen.seen) == {"march"}


def test_parts_need_names_of_their_own(judge: Classifier) -> None:
    motion = acting("march", seed=1)
    with pytest.raises(MeasureError, match="told apart"):
        recognise(judge, motion, ["march"], ["march", "wave"])
    with pytest.raises(MeasureError, match="told apart"):
        recognise(judge, motion, [], ["wave"])
    with pytest.raises(MeasureError, match="never taught"):
        recognise(judge, motion, ["march"], ["fly"])


class SpeedNet(torch.nn.Module):
    """Sees "rest" in windows in which hardly anything moves, else "wave"."""

    def forward(self, features: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        still = features[..., VELOCITIES].abs().mean((1, 2)) < 0.02
        return torch.stack((still * 8.0, ~still * 8.0), dim=1)


def test_windows_of_rest_count_for_little() -> None:
    judge = Classifier(actions=("rest", "wave"), network=SpeedNet())  # type: ignore[arg-type]
    waving = acting("wave", seed=1, frames=60)
    rest = standing(120)
    motion = spliced(spliced(rest, waving), rest)
    seen = judge.windows(motion, length=60, stride=15).argmax(1)
    assert int((seen == 0).sum()) > len(seen) / 2, "most windows show rest"
    assert judge.predict(motion).action == "wave"
    assert judge.predict(rest).action == "rest"


def test_rest_is_learnt_beside_the_action_and_never_alone() -> None:
    # A clip of 100 frames that are numbered; the action is in frames 40 to 69.
    frames = torch.arange(100.0)[:, None].expand(-1, FEATURES)
    lessons = Lessons(
        clips=(frames, frames),
        spans=((40, 70), (0, 100)),
        labels=torch.tensor([0, 1]),
        actions=("short", "whole"),
    )
    settings = FitSettings(batch=400, shortest=20, longest=25, margin=15)
    features, mask, labels = lessons.draw(settings, torch.Generator().manual_seed(0))
    crops = [row[inside, 0] for row, inside in zip(features, mask, strict=True)]
    short = [crop for crop, label in zip(crops, labels, strict=True) if label == 0]
    assert len(short) > 100
    assert all(int(((crop >= 40) & (crop < 70)).sum()) >= 20 for crop in short)
    assert min(float(crop[0]) for crop in short) == 25
    assert max(float(crop[-1]) for crop in short) == 84
    whole = [crop for crop, label in zip(crops, labels, strict=True) if label == 1]
    assert max(map(len, whole)) == 25
