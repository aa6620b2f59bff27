"""Diagnoses an exception that ended a pack: failure kind, error text, and the jobs that failed."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass

from jobs.artifacts.place import PlaceError
from jobs.domain.attempts import Claim, Failed, Timings
from jobs.domain.memory import next_class
from jobs.domain.states import Failure
from jobs.errors import JobsError
from worker.errors import NotFiniteError, SamplingError

#: Characters of a traceback that are stored with a job.
TAIL = 4000


@dataclass(frozen=True)
class Diagnosis:
    """Why a pack failed.

    Attributes:
        failure, error: kind and text.
        places: positions in the pack of the jobs that failed; empty if unknown.
        hopeless: whether a retry would fail in the same way.
    """

    failure: Failure
    error: str
    places: frozenset[int] = frozenset()
    hopeless: bool = False

    def of_job(self, claim: Claim, timings: Timings | None = None) -> Failed:
        """The failure of one job."""
        grows = self.failure is Failure.OUT_OF_MEMORY
        return Failed(
            claim=claim,
            failure=self.failure,
            error=self.error,
            timings=timings,
            retry=self.failure is not Failure.INVALID and not self.hopeless,
            gib=next_class(claim.gib) if grows else None,
        )


def diagnose(error: Exception) -> Diagnosis:
    """The diagnosis of an exception."""
    # The same seed in float32 gives the same numbers, so a retry would only cost time.
    hopeless = isinstance(error, SamplingError)
    return Diagnosis(classify(error), describe(error), frozenset(_places(error)), hopeless)


def classify(error: Exception) -> Failure:
    """The failure kind of an exception."""
    if (
        isinstance(error, MemoryError)
        or _is(error, "torch", "OutOfMemoryError")
        # Raised by calls that do not go through the caching allocator.
        or (isinstance(error, RuntimeError) and "CUDA error: out of memory" in str(error))
    ):
        return Failure.OUT_OF_MEMORY
    if isinstance(error, (NotFiniteError, SamplingError)) or _is(
        error, "hymotion.errors", "NumericsError"
    ):
        return Failure.NUMERICS
    if isinstance(error, PlaceError) or _is(error, "hymotion.errors", "RequestError"):
        return Failure.INVALID
    return Failure.ERROR


#: Parts of the messages of CUDA errors after which every later call of the process fails too.
STICKY = (
    "illegal memory access",
    "device-side assert",
    "unspecified launch failure",
    "misaligned address",
    "illegal instruction",
    "invalid program counter",
    "invalid address space",
    "operation not supported on global/shared address space",
    "hardware stack error",
    "launch timed out",
    "uncorrectable ECC error",
    "uncorrectable NVLink error",
    "unknown error",
)


def is_device_fault(error: BaseException) -> bool:
    """Whether the error, or its cause, leaves the device unusable for the rest of the process."""
    cause: BaseException | None = error
    while cause is not None:
        text = str(cause)
        if isinstance(cause, RuntimeError) and "CUDA error" in text:
            return any(part in text for part in STICKY)
        cause = cause.__cause__ or cause.__context__
    return False


def first_line(error: BaseException) -> str:
    """Class and first line of the message of an error."""
    return f"{type(error).__name__}: {error}".partition("\n")[0]


def describe(error: Exception) -> str:
    """The error message; for unexpected errors also the end of the traceback.

    NUL characters are escaped: SQL text cannot contain them.
    """
    text = f"{type(error).__name__}: {error}"
    if not isinstance(error, JobsError) and not _is(error, "hymotion.errors", "HymotionError"):
        trace = "".join(traceback.format_exception(error))
        text = f"{text}\n\n{trace[-TAIL:]}"
    return text.replace("\0", "\\0")


def _places(error: Exception) -> Sequence[int]:
    if isinstance(error, (NotFiniteError, SamplingError)):
        return error.indices
    if _is(error, "hymotion.errors", "NumericsError"):
        places: tuple[int, ...] = error.indices  # type: ignore[attr-defined]  # known by _is
        return places
    return ()


def _is(error: Exception, module: str, name: str) -> bool:
    """Whether `error` is of this class, without importing it.

    A worker that serves only the null model must not load torch.
    """
    loaded = sys.modules.get(module)
    return loaded is not None and isinstance(error, getattr(loaded, name))
