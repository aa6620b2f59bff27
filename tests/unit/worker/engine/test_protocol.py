"""Engines and warming up; no torch."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from jobs.domain.attempts import Claim, Quality
from tests.unit.worker.stub import StubEngine
from worker.engine.null import NullEngine
from worker.engine.pool import ModelPool, Slot
from worker.engine.warmup import warm_up
from worker.errors import BrokenError, NotFiniteError


def test_the_null_model_counts_steps_and_makes_nothing(
    claim: Callable[..., Claim], tmp_path: Path
) -> None:
    engine = NullEngine(mode="full", step_seconds=0)
    steps: list[tuple[int, int]] = []
    pack = [claim("a", steps=3), claim("b", steps=3)]
    latents = engine.sample(pack, engine.encode(pack), lambda *step: steps.append(step))
    assert steps == [(1, 3), (2, 3), (3, 3)]
    motions = engine.decode(latents)
    assert motions == [None, None]
    assert engine.measure(motions) == [Quality(), Quality()]
    assert engine.features(motions) == [None, None]
    assert not engine.write(pack[0], None, "npz", tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_warming_up_runs_every_engine_once() -> None:
    engines = {("null", mode): StubEngine(mode=mode) for mode in ("full", "lite")}
    stalls = {key: Slot(lambda each=each: each) for key, each in engines.items()}
    warm_up(ModelPool(engines=stalls, budget=2**30))
    assert [engine.steps for engine in engines.values()] == [1, 1]


def test_warming_up_with_unusable_numbers_is_said_and_ends_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """One step from a text of zeros: a motion of it may explode where no job's would."""

    def explode(phase: str, _pack: Sequence[Claim]) -> None:
        if phase == "step":
            raise BrokenError("exploding, up to 7e5", [0])

    def not_finite(phase: str, _pack: Sequence[Claim]) -> None:
        if phase == "measure":
            raise NotFiniteError([0])

    bad = StubEngine(mode="full", sabotage=explode)
    worse = StubEngine(mode="lite", sabotage=not_finite)
    good = StubEngine(model="tiny", mode="full")
    engines = {
        ("hy-motion-1.0", "full"): bad,
        ("hy-motion-1.0", "lite"): worse,
        ("tiny", "full"): good,
    }
    stalls = {key: Slot(lambda each=each: each) for key, each in engines.items()}
    warm_up(ModelPool(engines=stalls, budget=2**30))
    assert good.steps == 1
    said = [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]
    assert len(said) == 2
    assert "exploding, up to 7e5" in said[0]
    assert "lite warmed up with numbers that cannot be used" in said[1]


def test_the_resident_set_is_a_peak_of_its_samples() -> None:
    # In a process of its own: what a test's process gives back just now hides what the block takes.
    program = """
from worker.device.memory_meter import ResidentMeter
meter = ResidentMeter()
meter.reset()
before = meter.peak()
block = bytearray(64 * 2**20)
block[::4096] = b"x" * len(block[::4096])
meter.look()
del block
print(meter.peak() - before)
meter.reset()
print(meter.peak() - before)
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    with_block, without = map(int, done.stdout.split())
    assert without < 48 * 2**20 <= with_block
