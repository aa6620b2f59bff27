"""Recorded steps on an NVIDIA GPU; skipped where there is none."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from hymotion.training.fit.parallel import World
from hymotion.training.fit.replay import Replay
from hymotion.training.fit.trainer import RunControl, Trainer
from tests.unit.hymotion.training.learning import corpus, learner, recipe

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no NVIDIA GPU"),
]


def trained(folder: Path, *, recorded: bool, stop_at: int = 40) -> dict[str, Tensor]:
    device = torch.device("cuda")
    known = corpus(device)
    trainer = Trainer(
        learner=learner(known).to(device),
        corpus=known,
        recipe=recipe(),
        world=World("none", 0, 1, device),
        precision="float32",
        folder=folder,
        identity={},
    )
    assert isinstance(trainer._work, Replay)
    if not recorded:
        trainer._work = trainer._learn
    trainer.run(RunControl(lambda _: None, lambda: trainer.step >= stop_at, every=5))
    return trainer.averaged()


def apart(first: dict[str, Tensor], second: dict[str, Tensor]) -> float:
    return max(float((first[name] - second[name]).abs().max()) for name in first)


def test_recorded_steps_learn_what_plain_ones_learn(tmp_path: Path) -> None:
    recorded = trained(tmp_path / "recorded", recorded=True)
    plain = trained(tmp_path / "plain", recorded=False)
    assert apart(recorded, plain) < 1e-4


def test_a_recorded_run_that_was_cut_goes_on(tmp_path: Path) -> None:
    whole = trained(tmp_path / "whole", recorded=True)
    trained(tmp_path / "cut", recorded=True, stop_at=15)
    assert apart(trained(tmp_path / "cut", recorded=True), whole) < 1e-4
