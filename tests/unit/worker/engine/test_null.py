"""The engine of the null model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from jobs.domain.attempts import Claim, MotionQuality, Run
from worker.engine.null import NullEngine


def test_the_null_model_counts_steps_and_makes_nothing(
    claim: Callable[..., Claim], tmp_path: Path
) -> None:
    engine = NullEngine(mode="full", step_seconds=0)
    steps: list[tuple[int, int]] = []
    pack = [claim("a", steps=3), claim("b", steps=3)]
    sampled = engine.sample(pack, engine.encode(pack, {}), lambda *step: steps.append(step))
    assert steps == [(1, 3), (2, 3), (3, 3)]
    assert sampled.runs == [Run(), Run()]
    motions = engine.decode(sampled.latents)
    assert motions == [None, None]
    assert engine.measure(motions) == [(MotionQuality(), None)] * 2
    assert not engine.write(pack[0], None, "npz", tmp_path / "x")
    assert list(tmp_path.iterdir()) == []
