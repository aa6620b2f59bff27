"""What is kept of an exception that ended a pack: its failure kind, text, and whom to blame."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass

from jobs.domain.attempts import Claim, Failed, Timings
from jobs.domain.memory import next_class
from jobs.domain.states import Failure
from worker.errors import BrokenError, NotFiniteError, WorkerError

#: Characters of a traceback kept with a job.
TAIL = 4000


@dataclass(frozen=True)
class Diagnosis:
    """Why a pack failed.

    Attributes:
        failure, error: kind and text.
        places: positions in the pack of the jobs to blame, where that is known.
        hopeless: whether the same would happen again.
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
    """What is kept of an exception."""
    # The same seed in the same float32: a third try would only cost the night another minute.
    hopeless = isinstance(error, BrokenError)
    return Diagnosis(classify(error), describe(error), frozenset(_places(error)), hopeless)


def classify(error: Exception) -> Failure:
    """The failure kind of an exception."""
    if isinstance(error, MemoryError) or _is(error, "torch", "OutOfMemoryError"):
        return Failure.OUT_OF_MEMORY
    if isinstance(error, (NotFiniteError, BrokenError)) or _is(
        error, "hymotion.errors", "NumericsError"
    ):
        return Failure.NUMERICS
    if _is(error, "hymotion.errors", "RequestError"):
        return Failure.INVALID
    return Failure.ERROR


def describe(error: Exception) -> str:
    """The message, and for what nobody foresaw the tail of the traceback.

    No NUL: SQL text cannot hold one.
    """
    text = f"{type(error).__name__}: {error}"
    if not isinstance(error, WorkerError) and not _is(error, "hymotion.errors", "HymotionError"):
        trace = "".join(traceback.format_exception(error))
        text = f"{text}\n\n{trace[-TAIL:]}"
    return text.replace("\0", "\\0")


def _places(error: Exception) -> Sequence[int]:
    if isinstance(error, (NotFiniteError, BrokenError)):
        return error.indices
    if _is(error, "hymotion.errors", "NumericsError"):
        places: tuple[int, ...] = error.indices  # type: ignore[attr-defined]  # known by _is
        return places
    return ()


def _is(error: Exception, module: str, name: str) -> bool:
    """Whether `error` is of a class that is looked up, not imported: a worker that serves only
    the null model never loads torch."""
    loaded = sys.modules.get(module)
    return loaded is not None and isinstance(error, getattr(loaded, name))
