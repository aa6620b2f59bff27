"""The loop: it learns, it can be cut anywhere, and it goes on to the same weights."""

from pathlib import Path

import pytest
import torch

from hymotion.training.errors import TrainingError
from hymotion.training.fit.snapshot import FILE, RunState
from hymotion.training.fit.trainer import SHARPEST, RunControl, StepReport, Trainer, recompute
from tests.unit.hymotion.training.learning import ALONE, corpus, learner, recipe

KNOWN = corpus()


def trainer(folder: Path, precision: str = "float32", **given: object) -> Trainer:
    return Trainer(
        learner=learner(KNOWN),
        corpus=KNOWN,
        recipe=recipe(**given),
        world=ALONE,
        precision=precision,
        folder=folder,
        identity={"motions": 4},
    )


def watch(
    reports: list[StepReport] | None = None, *, stop_at: int | None = None, every: int = 5
) -> RunControl:
    seen: list[StepReport] = [] if reports is None else reports
    return RunControl(
        report=seen.append,
        stop=lambda: stop_at is not None and bool(seen) and seen[-1].step + every >= stop_at,
        every=every,
    )


@pytest.mark.parametrize(
    ("prediction", "fall"), [("clean", 0.7), ("velocity", 0.85), ("preconditioned", 0.9)]
)
def test_the_error_falls(tmp_path: Path, prediction: str, fall: float) -> None:
    reports: list[StepReport] = []
    run = trainer(tmp_path, steps=60, learning_rate=3e-3, prediction=prediction)
    run.learner.flow.prediction = prediction
    assert run.run(watch(reports))
    # A few lessons are harder than others: the mean of the last third counts.
    assert sum(each.loss for each in reports[-4:]) / 4 < fall * reports[0].loss
    assert reports[-1].joints < reports[0].joints
    assert reports[-1].rate < reports[0].rate


def test_a_run_that_was_cut_ends_with_the_same_weights(tmp_path: Path) -> None:
    whole = trainer(tmp_path / "whole")
    assert whole.run(watch())
    cut = trainer(tmp_path / "cut")
    assert not cut.run(watch(stop_at=15))
    resumed = trainer(tmp_path / "cut")
    assert 0 < resumed.step < 40
    assert resumed.run(watch())
    first, second = whole.averaged(), resumed.averaged()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_another_recipe_does_not_go_on(tmp_path: Path) -> None:
    trainer(tmp_path).save()
    with pytest.raises(TrainingError, match=r"state\.pt was trained with seed 0, not 1\. .*Delete"):
        trainer(tmp_path, seed=1)


def test_a_state_that_is_damaged_is_named(tmp_path: Path) -> None:
    trainer(tmp_path).save()
    path = tmp_path / FILE
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(TrainingError, match=r"state\.pt cannot be read"):
        RunState.read(tmp_path)


def test_a_cut_while_writing_leaves_the_state_before(tmp_path: Path) -> None:
    run = trainer(tmp_path)
    run.save()
    (tmp_path / f"{FILE}.part").write_bytes(b"half")
    found = RunState.read(tmp_path)
    assert found is not None
    assert found.step == 0


def test_lost_numbers_end_the_run_before_they_are_saved(tmp_path: Path) -> None:
    run = trainer(tmp_path)
    with torch.no_grad():
        run.learner.flow.null_vtxt_feat.fill_(torch.nan)
    with pytest.raises(TrainingError, match="not finite before step 5"):
        run.run(watch())
    assert RunState.read(tmp_path) is None


def test_minutes_end_a_run_whatever_its_steps(tmp_path: Path) -> None:
    ticks = iter(range(10_000))
    run = trainer(tmp_path, steps=None, minutes=0.5)
    given = watch()
    assert run.run(RunControl(given.report, given.stop, every=5, clock=lambda: float(next(ticks))))
    assert run.step in range(28, 33)


def test_recomputing_blocks_changes_nothing_but_the_time(tmp_path: Path) -> None:
    plain = trainer(tmp_path / "plain", steps=3)
    plain.run(watch(every=1))
    again = trainer(tmp_path / "again", steps=3)
    recompute(again.learner)
    again.run(watch(every=1))
    first, second = plain.averaged(), again.averaged()
    assert all(torch.allclose(first[name], second[name], atol=1e-6) for name in first)


def test_bfloat16_products_learn_what_float32_learns(tmp_path: Path) -> None:
    flows: list[float] = []
    for precision in ("float32", "bfloat16"):
        reports: list[StepReport] = []
        run = trainer(tmp_path / precision, precision=precision, learning_rate=3e-3)
        assert run.run(watch(reports))
        flows.append(reports[-1].flow)
    assert reports[-1].flow < 0.95 * reports[0].flow
    assert flows[1] == pytest.approx(flows[0], rel=0.05)
    assert flows[1] != flows[0]


def test_attention_never_gets_sharper_than_training_can_follow(tmp_path: Path) -> None:
    run = trainer(tmp_path, steps=2)
    block = run.learner.flow.motion_transformer.single_blocks[0]
    with torch.no_grad():
        block.q_norm.weight.fill_(50.0)
        block.k_norm.weight.fill_(-50.0)
    assert run.run(watch(every=1))
    assert block.q_norm.weight.max() == SHARPEST
    assert block.k_norm.weight.min() == -SHARPEST


def test_it_asks_whether_to_stop_as_often_as_it_reports(tmp_path: Path) -> None:
    run = trainer(tmp_path, steps=20)
    asked: list[int] = []

    def stop() -> bool:
        asked.append(run.step)
        return False

    assert run.run(RunControl(report=lambda _: None, stop=stop, every=5))
    assert asked == [5, 10, 15, 20]
