"""The evaluation gives a model what it deserves: all, a quarter, or less for what failed."""

import json
from dataclasses import replace

import pytest

from hymotion.body.motion import Motion
from hymotion.errors import MeasureError
from hymotion.evaluation import Options, evaluate
from hymotion.evaluation.evaluate import Measures
from hymotion.evaluation.table import lines
from hymotion.sampling.request import Request
from tests.unit.hymotion.evaluation.oracle import (
    MOVES,
    Model,
    always_waving,
    moving,
    understood,
)

OPTIONS = Options(seeds=6, pair_seeds=2, steps=4, guidance=2.0, pack=5)


def run(model: Model, own: Measures, options: Options = OPTIONS):  # type: ignore[no-untyped-def]
    return evaluate(model, options, measures=own)  # type: ignore[arg-type]


def test_a_model_that_understands_is_recognised(own: Measures) -> None:
    model, seen = Model(understood), []
    report = evaluate(
        model,  # type: ignore[arg-type]
        OPTIONS,
        measures=own,
        on_pack=lambda made, wanted: seen.append((made, wanted)),
    )
    assert report.top1.count == 6 * len(MOVES)
    assert report.top1.share >= 0.9
    assert [one.action for one in report.actions] == list(MOVES)
    # Of the pairs, walk and bend, walk and spin are known here.
    assert {(one.first, one.second) for one in report.pairs} == {("walk", "bend"), ("walk", "spin")}
    assert report.sequences.count == 4
    assert report.sequences.right >= 3
    assert report.failed == 0
    assert report.distance is not None
    assert report.distance.clips == (48, 24)
    assert report.ratio("jitter") == pytest.approx(1, abs=0.3)
    assert model.packs == [5, 5, 5, 5, 5, 3]
    assert seen[-1] == (28, 28)


def test_a_model_that_always_does_the_same_gets_its_quarter(own: Measures) -> None:
    report = run(Model(always_waving), own)
    right = {one.action: one.top1.right for one in report.actions}
    assert right == {"walk": 0, "wave": 6, "bend": 0, "spin": 0}
    assert report.actions[0].taken_for == {"wave": 6}
    assert report.top1.share == 0.25
    assert report.sequences.right == 0


def test_the_first_part_alone_is_no_sequence(own: Measures) -> None:
    def half(request: Request) -> Motion:
        return moving("walk", seed=request.seed, frames=request.frames)

    report = run(Model(half), own)
    assert [one.first_seen for one in report.pairs] == [2, 2]
    assert report.sequences.right == 0


def test_what_is_not_finite_counts_as_wrong_and_hurts_no_other(own: Measures) -> None:
    def fails(request: Request) -> bool:
        return request.seed == 3

    report = run(Model(understood, fails), own)
    whole = run(Model(understood), own)
    assert report.failed == len(MOVES)
    for one, other in zip(report.actions, whole.actions, strict=True):
        assert one.top1.count == 6
        assert sum(one.taken_for.values()) + one.top1.right == 5
        assert one.top1.right >= other.top1.right - 1


def test_the_document_has_every_figure_and_the_table_fits(own: Measures) -> None:
    report = run(Model(always_waving), own)
    document = json.loads(json.dumps(report.document()))
    assert document["schema"] == "hymo.evaluate/1"
    assert document["top1"] == {
        "right": 6,
        "count": 24,
        "share": 0.25,
        "low": 0.12,
        "high": 0.4490,
    }
    assert document["actions"][1]["top1"]["share"] == 1
    assert set(document["ratios"]) == {"skate", "penetration", "jitter"}
    assert document["real"]["noise"] == 0.03
    text = list(lines(report))
    assert max(map(len, text)) <= 80
    for wanted in ("25.0% of 24", "wave 6", "walk, then bend", "held-out clips 97.0%"):
        assert any(wanted in line for line in text), wanted


def test_actions_can_be_chosen_and_must_be_known(own: Measures) -> None:
    report = run(Model(always_waving), own, replace(OPTIONS, actions=("wave",), seeds=2))
    assert [one.action for one in report.actions] == ["wave"]
    assert report.pairs == ()
    assert report.distance is None
    assert max(map(len, lines(report))) <= 80
    with pytest.raises(MeasureError, match="never taught flying"):
        run(Model(always_waving), own, replace(OPTIONS, actions=("flying",)))


def test_a_model_of_short_motions_is_asked_for_short_ones(own: Measures) -> None:
    model = Model(always_waving)
    model.train_frames = 40
    report = run(model, own)
    assert {one.frames for one in report.actions} == {40}
    assert report.pairs == ()
