"""The judge, the reference and the baseline that come with the package belong together."""

from importlib.resources import files

import pytest

from hymotion.errors import MeasureError
from hymotion.metrics import load_baseline, load_judge, load_reference
from hymotion.metrics.baseline import Baseline
from hymotion.training.dataset.labels import own_segments
from tests.unit.hymotion.metrics.bodies import acting, noise

FILES = ("judge.npz", "reference.npz", "baseline.json")


def test_the_judge_knows_the_actions_of_the_table() -> None:
    assert load_judge().actions == tuple(sorted({one.action for one in own_segments()}))


def test_the_baseline_is_of_this_judge_and_this_reference() -> None:
    baseline, reference = load_baseline(), load_reference()
    assert baseline.reference == reference.revision
    assert tuple(baseline.actions) == load_judge().actions
    assert len(reference.sums.count) == 8 * len(baseline.actions)
    held = [segment for segment in own_segments() if segment.split == "held"]
    assert sum(one.held[1] for one in baseline.actions.values()) == len(held)
    right = sum(one.held[0] for one in baseline.actions.values())
    assert baseline.held == pytest.approx(right / len(held))
    assert baseline.held >= 0.85
    assert baseline.noise < 0.1


def test_made_up_bodies_lie_between_real_ones_and_noise() -> None:
    reference, baseline = load_reference(), load_baseline()
    made_up = reference.distance(acting("march", seed=seed) for seed in range(8))
    shaken = reference.distance(noise(seed=seed) for seed in range(8))
    assert baseline.real_distance.high < made_up.low < made_up.high < shaken.low


def test_they_are_small() -> None:
    folder = files("hymotion.metrics")
    assert sum(len(folder.joinpath(name).read_bytes()) for name in FILES) < 2_000_000


def test_a_baseline_is_read_as_written_and_damage_is_named(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "baseline.json"
    load_baseline().write(path)
    assert Baseline.read(path) == load_baseline()
    for text in (
        "{",
        "{}",
        '{"schema": "hymotion.baseline/0"}',
        '{"schema": "hymotion.baseline/1"}',
    ):
        path.write_text(text)
        with pytest.raises(MeasureError, match="no baseline can be read"):
            Baseline.read(path)
