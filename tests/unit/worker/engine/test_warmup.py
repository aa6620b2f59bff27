"""Warming up: every engine runs once, and unusable numbers do not end the worker."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from jobs.domain.attempts import Claim
from tests.unit.worker.stub import StubEngine
from worker.engine.pool import ModelPool
from worker.engine.warmup import warm_up
from worker.errors import NotFiniteError, SamplingError


def test_warming_up_runs_every_engine_once() -> None:
    engines = {("null", mode): StubEngine(mode=mode) for mode in ("full", "lite")}
    loaders = {key: lambda each=each: each for key, each in engines.items()}
    warm_up(ModelPool(engines=loaders, room={}))
    assert [engine.steps for engine in engines.values()] == [1, 1]


def test_warming_up_with_unusable_numbers_is_said_and_ends_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """One step from a text of zeros may give non-finite motions although jobs would not."""

    def explode(phase: str, _pack: Sequence[Claim]) -> None:
        if phase == "step":
            raise SamplingError("exploding, up to 7e5", [0])

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
    loaders = {key: lambda each=each: each for key, each in engines.items()}
    warm_up(ModelPool(engines=loaders, room={}))
    assert good.steps == 1
    said = [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]
    assert len(said) == 2
    assert "exploding, up to 7e5" in said[0]
    assert "lite: the warm-up gave unusable numbers" in said[1]


def test_an_engine_that_does_not_run_is_left_out_if_another_one_does() -> None:
    def gone() -> StubEngine:
        raise FileNotFoundError("weights.safetensors")

    good, gone_error = StubEngine(mode="lite"), "weights.safetensors"
    pool = ModelPool(engines={("null", "full"): gone, ("null", "lite"): lambda: good}, room={})
    assert {key: str(error) for key, error in warm_up(pool).items()} == {
        ("null", "full"): gone_error
    }
    assert good.steps == 1


def test_a_worker_none_of_whose_engines_runs_does_not_start() -> None:
    def gone() -> StubEngine:
        raise FileNotFoundError("weights.safetensors")

    pool = ModelPool(engines={("null", "full"): gone, ("null", "lite"): gone}, room={})
    with pytest.raises(FileNotFoundError):
        warm_up(pool)
