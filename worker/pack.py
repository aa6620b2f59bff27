"""Running a pack: encode, sample, decode, save, and saying how each of its jobs ended."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import hymotion.errors
from jobs.memory import next_class
from jobs.records import Claim, Failed, Success, Timings
from jobs.states import Failure
from worker.engine import Engine, OnStep
from worker.errors import PackStoppedError
from worker.save import SaveError, save

log = logging.getLogger(__name__)

#: Characters of a traceback kept with a job.
TAIL = 4000


@dataclass(frozen=True)
class Results:
    """How a pack's jobs ended. Jobs in neither were stopped on purpose."""

    successes: tuple[Success, ...] = ()
    failures: tuple[Failed, ...] = ()

    def __add__(self, other: Results) -> Results:
        return Results(self.successes + other.successes, self.failures + other.failures)


@dataclass(frozen=True)
class Problem:
    """Why a pack failed.

    Attributes:
        failure, error: kind and text.
        places: positions in the pack of the jobs to blame, where that is known.
    """

    failure: Failure
    error: str
    places: frozenset[int] = frozenset()

    def failed(self, claim: Claim, timings: Timings = Timings()) -> Failed:  # noqa: B008  # frozen
        """The failure of one job."""
        grows = self.failure is Failure.OUT_OF_MEMORY
        return Failed(
            claim=claim,
            failure=self.failure,
            error=self.error,
            timings=timings,
            retry=self.failure is not Failure.INVALID,
            gib=next_class(claim.gib) if grows else None,
        )


class PackRunner:
    """Runs packs on engines. Nothing a job does gets past it: this is the worker's fault boundary.

    Args:
        on_step: called after each solver step; may raise `PackStoppedError`.
        on_phase: called between phases: a sign of progress.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        *,
        on_step: OnStep,
        on_phase: Callable[[], None],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._on_step = on_step
        self._on_phase = on_phase
        self._clock = clock

    def run(self, engine: Engine, claims: Sequence[Claim], *, load: float) -> Results:
        """Run a pack. One that fails is run again in halves, so that a bad job fails alone.

        Args:
            engine: loaded with the pack's model and mode.
            claims: of one model, mode and number of steps.
            load: seconds of loading to book on these jobs.
        """
        outcome = self._guarded(engine, claims, load=load)
        if isinstance(outcome, Results):
            return outcome
        # The exception and its frames are gone by now, and with them the failed pack's tensors.
        bad = [claim for place, claim in enumerate(claims) if place in outcome.places]
        rest = [claim for place, claim in enumerate(claims) if place not in outcome.places]
        if len(claims) == 1 or bad:
            bad = bad or list(claims)
            results = Results(failures=tuple(outcome.failed(claim) for claim in bad))
            return results + self.run(engine, rest, load=0.0) if bad != claims and rest else results
        log.warning("a pack of %d failed; running it in halves: %s", len(claims), outcome.error)
        middle = len(claims) // 2
        first = self.run(engine, claims[:middle], load=load)
        return first + self.run(engine, claims[middle:], load=0.0)

    def _guarded(
        self, engine: Engine, claims: Sequence[Claim], *, load: float
    ) -> Results | Problem:
        try:
            return self._once(engine, claims, load=load)
        except PackStoppedError:
            return Results()
        except Exception as error:  # noqa: BLE001  # the one fault boundary of the worker
            return problem(error)

    def _once(self, engine: Engine, claims: Sequence[Claim], *, load: float) -> Results:
        engine.start_measuring()
        start = self._clock()
        texts = engine.encode(claims)
        encoded = self._mark()
        latents = engine.sample(claims, texts, self._on_step)
        sampled = self._mark()
        motions = engine.decode(latents)
        decoded = self._mark()
        share = 1 / len(claims)
        timings = Timings(
            load=load * share,
            encode=(encoded - start) * share,
            sample=(sampled - encoded) * share,
            decode=(decoded - sampled) * share,
        )
        peak = engine.peak_memory()
        results = Results()
        for claim, motion in zip(claims, motions, strict=True):
            begun = self._clock()
            try:
                artifacts = save(claim, motion, engine.write)
            except SaveError as error:
                results += Results(failures=(problem(error).failed(claim, timings),))
                continue
            timed = replace(timings, save=self._mark() - begun)
            results += Results(successes=(Success(claim, timed, peak, artifacts),))
        return results

    def _mark(self) -> float:
        self._on_phase()
        return self._clock()


def problem(error: Exception) -> Problem:
    """What is kept of an exception."""
    places = error.indices if isinstance(error, hymotion.errors.NumericsError) else ()
    return Problem(classify(error), describe(error), frozenset(places))


def classify(error: Exception) -> Failure:
    """The failure kind of an exception."""
    import torch

    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return Failure.OUT_OF_MEMORY
    if isinstance(error, hymotion.errors.NumericsError):
        return Failure.NUMERICS
    if isinstance(error, hymotion.errors.RequestError):
        return Failure.INVALID
    return Failure.ERROR


def describe(error: Exception) -> str:
    """The message, and for what nobody foresaw the tail of the traceback.

    No NUL: SQL text cannot hold one.
    """
    text = f"{type(error).__name__}: {error}"
    if not isinstance(error, (SaveError, hymotion.errors.HymotionError)):
        trace = "".join(traceback.format_exception(error))
        text = f"{text}\n\n{trace[-TAIL:]}"
    return text.replace("\0", "\\0")
