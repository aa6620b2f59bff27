"""The diagnosis of exceptions."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from hymotion.errors import ConfigError, NumericsError, RequestError
from jobs.domain.attempts import Claim, Timings
from jobs.domain.states import Failure
from worker.errors import NotFiniteError, SamplingError, WorkerError
from worker.execution.failures import (
    TAIL,
    Diagnosis,
    classify,
    describe,
    diagnose,
    is_device_fault,
)
from worker.execution.save import SaveError


def numerics(*indices: int) -> NumericsError:
    return NumericsError(step=3, total=50, indices=indices)


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (MemoryError(), Failure.OUT_OF_MEMORY),
        (torch.OutOfMemoryError("CUDA out of memory"), Failure.OUT_OF_MEMORY),
        (torch.AcceleratorError("CUDA error: out of memory"), Failure.OUT_OF_MEMORY),
        (numerics(0), Failure.NUMERICS),
        (NotFiniteError([0]), Failure.NUMERICS),
        (SaveError(Path("x"), OSError(28, "No space left on device")), Failure.ERROR),
        (RuntimeError("CUDA error: device-side assert"), Failure.ERROR),
        (ConfigError("bad", mend="mend it", path=None, key=None), Failure.ERROR),
    ],
)
def test_exceptions_have_kinds(error: Exception, failure: Failure) -> None:
    assert classify(error) is failure


@pytest.mark.parametrize(
    ("error", "sticky"),
    [
        (torch.AcceleratorError("CUDA error: an illegal memory access was encountered\nx"), True),
        (torch.AcceleratorError("CUDA error: device-side assert triggered"), True),
        (RuntimeError("CUDA error: unspecified launch failure"), True),
        (RuntimeError("CUDA error: misaligned address"), True),
        (RuntimeError("CUDA error: uncorrectable ECC error encountered"), True),
        (RuntimeError("CUDA error: unknown error"), True),
        (torch.AcceleratorError("CUDA error: out of memory"), False),
        (RuntimeError("CUDA error: no kernel image is available for execution"), False),
        (torch.OutOfMemoryError("CUDA out of memory"), False),
        (RuntimeError("an illegal memory access"), False),
        (ValueError("CUDA error: unknown error"), False),
    ],
)
def test_faults_after_which_the_device_is_of_no_more_use(error: Exception, sticky: bool) -> None:
    assert is_device_fault(error) is sticky


def test_a_fault_behind_another_error_is_found() -> None:
    error = ConfigError("bad", mend="mend it", path=None, key=None)
    assert not is_device_fault(error)
    error.__cause__ = RuntimeError("CUDA error: device-side assert triggered")
    assert is_device_fault(error)


def test_a_request_the_model_refuses_is_invalid_and_not_tried_again(
    claim: Callable[..., Claim],
) -> None:
    error = RequestError("too long", mend="shorten it", field="frames", value=999)
    failed = diagnose(error).of_job(claim())
    assert failed.failure is Failure.INVALID
    assert not failed.retry


def test_numerics_name_the_places(claim: Callable[..., Claim]) -> None:
    found = diagnose(numerics(1, 3))
    assert found.places == diagnose(NotFiniteError([1, 3])).places == {1, 3}
    assert found.of_job(claim()).retry
    assert diagnose(RuntimeError("x")).places == frozenset()


def test_out_of_memory_asks_for_the_next_class(claim: Callable[..., Claim]) -> None:
    found = diagnose(MemoryError())
    assert found.of_job(claim(gib=24)).gib == 32
    assert diagnose(RuntimeError()).of_job(claim(gib=24)).gib is None


def test_figures_go_along(claim: Callable[..., Claim]) -> None:
    timings = Timings(encode=1.5)
    assert Diagnosis(Failure.ERROR, "x").of_job(claim(), timings).timings == timings


def test_what_nobody_foresaw_keeps_the_tail_of_its_traceback() -> None:
    with pytest.raises(KeyError) as caught:
        {}["x" * 10_000]
    head, _, trace = describe(caught.value).partition("\n\n")
    assert head.startswith("KeyError: 'xxx")
    assert len(trace) == TAIL
    with pytest.raises(KeyError) as caught:
        {}["x"]
    assert describe(caught.value).startswith("KeyError: 'x'\n\nTraceback (most recent call last)")


def test_foreseen_errors_need_no_traceback() -> None:
    assert describe(numerics(0)) == f"NumericsError: {numerics(0)}"
    assert describe(WorkerError("the mend")) == "WorkerError: the mend"


def test_no_nul_reaches_sql() -> None:
    assert "\0" not in describe(RuntimeError("a\0b"))
    assert "a\\0b" in describe(RuntimeError("a\0b"))


def test_classifying_never_imports_torch() -> None:
    code = (
        "import sys; from worker.execution.failures import diagnose;"
        "diagnose(ValueError('x')); diagnose(MemoryError());"
        "sys.exit('torch' in sys.modules or 'hymotion' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_breaks_in_float32_is_not_tried_again(claim: Callable[..., Claim]) -> None:
    found = diagnose(SamplingError("the velocity broke at step 2", [1]))
    assert (found.failure, found.places) == (Failure.NUMERICS, {1})
    assert found.of_job(claim()).retry is False
    assert diagnose(NotFiniteError([0])).of_job(claim()).retry is True
