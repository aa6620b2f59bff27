"""Motions that exist: measured one by one, outliers named, runs compared."""

import json
from dataclasses import replace

import numpy as np
import pytest

from hymotion.body.motion import Motion
from hymotion.errors import MeasureError
from hymotion.evaluation.evaluate import Measures
from hymotion.evaluation.existing import SetReport, evaluate_motions
from hymotion.evaluation.table import set_lines
from hymotion.export.retime import retimed
from hymotion.metrics import measure, paired_error
from tests.unit.hymotion.metrics.bodies import acting, noise


def report(own: Measures, motions: dict[str, Motion], **named: object) -> SetReport:
    return evaluate_motions(
        motions.items(),
        reference=own.reference,
        baseline=own.baseline,
        **named,  # type: ignore[arg-type]
    )


def marches() -> dict[str, Motion]:
    return {f"march_{seed}": acting("march", seed=seed) for seed in range(12)}


def test_one_shaking_motion_among_calm_ones_stands_out(own: Measures) -> None:
    found = report(own, marches() | {"shaking": noise(seed=0)})
    assert {one.name for one in found.motions if one.stands_out} == {"shaking"}
    assert "jitter" in found.motions[-1].stands_out
    assert found.distance is not None
    assert found.distance == own.reference.distance([*marches().values(), noise(seed=0)])
    text = list(set_lines(found))
    assert max(map(len, text)) <= 80
    assert any("shaking" in line and "jitter" in line for line in text)


def test_a_motion_that_is_not_finite_is_named_and_left_out(own: Measures) -> None:
    broken = acting("march", seed=0)
    broken = replace(broken, joints=broken.joints * np.nan)
    found = report(own, marches() | {"broken": broken})
    assert found.motions[-1].stands_out == ("not finite",)
    assert found.distance == report(own, marches()).distance
    assert found.quality == report(own, marches()).quality
    json.dumps(found.document(), allow_nan=False)


def test_runs_of_the_same_name_are_compared(own: Measures) -> None:
    exact = {name: acting("march", seed=index) for index, name in enumerate("abc")}
    rough = {
        name: replace(one, joints=one.joints + np.float32(0.001)) for name, one in exact.items()
    }
    del exact["c"]
    found = report(own, rough, partner=exact.get)
    assert found.unpaired == ("c",)
    first = found.motions[0].paired
    assert first == paired_error(exact["a"], rough["a"])
    assert first is not None
    assert first.joints_mean == pytest.approx(np.sqrt(3), rel=1e-3)
    assert any("paired" in line for line in set_lines(found))
    assert found.distance is None


def test_a_pair_of_unlike_lengths_is_named(own: Measures) -> None:
    long = {"a": acting("march", seed=0, frames=70)}
    with pytest.raises(MeasureError, match="a: the runs differ"):
        report(own, {"a": acting("march", seed=0)}, partner=long.get)


def test_what_cannot_be_compared_or_measured_is_told_and_the_others_are_measured(
    own: Measures,
) -> None:
    told: list[MeasureError] = []
    motions = {
        "a": acting("march", seed=0),
        "b": acting("march", seed=1),
        "three": acting("march", seed=2, frames=3),
    }
    partners = {"a": acting("march", seed=0, frames=70), "b": acting("march", seed=1)}
    found = report(own, motions, partner=partners.get, on_problem=told.append)
    assert [one.name for one in found.motions] == ["a", "b"]
    assert found.unpaired == ("a",)
    assert found.motions[1].paired is not None
    assert [error.problem.split(":")[0] for error in told] == ["a", "three"]


def test_another_frame_rate_is_measured_as_it_is_at_thirty(own: Measures) -> None:
    usual = marches()
    twice = {name: retimed(one, 60) for name, one in usual.items()}
    found = report(own, twice)
    expected = report(own, usual)
    for one, other in zip(found.motions, expected.motions, strict=True):
        assert one.quality.jitter == pytest.approx(other.quality.jitter, rel=1e-3)
        assert one.quality.skate == pytest.approx(other.quality.skate, rel=1e-3)
    assert found.distance is not None
    assert expected.distance is not None
    assert found.distance.value == pytest.approx(expected.distance.value, rel=1e-3)
    assert found.motions[0].frames == twice["march_0"].frames
    raw = measure(twice["march_0"]).jitter
    assert raw is not None
    assert raw > 2 * (found.motions[0].quality.jitter or 0), "straight lines have corners"
    slower = retimed(usual["march_0"], 24)
    assert report(own, {"a": slower}).motions[0].quality == measure(retimed(slower, 30))


def test_a_short_motion_is_measured_and_left_out_of_the_distance(own: Measures) -> None:
    found = report(own, marches() | {"short": acting("march", seed=0, frames=15)})
    assert found.motions[-1].quality.jitter is not None
    assert found.distance == report(own, marches()).distance


def test_no_motions_are_refused(own: Measures) -> None:
    with pytest.raises(MeasureError, match="no motions"):
        report(own, {})
