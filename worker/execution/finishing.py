"""Finishes sampled motions: decodes, measures and saves them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from jobs.domain.attempts import Claim, Failed, Success
from worker.engine.pool import LoadCost
from worker.errors import DeviceFaultError
from worker.execution.bisection import bisect
from worker.execution.failures import Diagnosis, diagnose
from worker.execution.pack import SampledPart
from worker.execution.save import SaveError, save
from worker.execution.unsaved import Unsaved


@dataclass(frozen=True)
class Results:
    """The results of a pack's jobs.

    Attributes:
        interruption: why they could not all be finished; None: they could.
    """

    successes: tuple[Success, ...] = ()
    failures: tuple[Failed, ...] = ()
    unsaved: tuple[Unsaved, ...] = ()
    interruption: DeviceFaultError | None = None

    def __add__(self, other: Results) -> Results:
        return Results(
            self.successes + other.successes,
            self.failures + other.failures,
            self.unsaved + other.unsaved,
            self.interruption or other.interruption,
        )


class MotionFinisher:
    """Decodes, measures and saves motions. A motion that fails does so alone.

    Args:
        on_phase: called between phases and after each file, to record progress.
        writers: number of threads that write files; 1: the calling one.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        *,
        on_phase: Callable[[], None],
        writers: int = 1,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._on_phase = on_phase
        self._clock = clock
        threads = writers if writers > 1 else 0
        self._writers = (
            ThreadPoolExecutor(threads, thread_name_prefix="writer") if threads else None
        )

    def run(
        self, part: SampledPart, *, stopped: Callable[[Claim], bool] = lambda _: False
    ) -> Results:
        """Finish the jobs of a part that are not `stopped`."""
        results = Results()
        ended = bisect(
            part.claims,
            partial(self._decoded, part),
            load=LoadCost(),  # booked on the part
            halved="%d motions could not be decoded; decoding them in halves: %s",
            stopped=stopped,
        )
        try:
            for some, outcome in ended:
                if isinstance(outcome, Diagnosis):
                    failures = tuple(outcome.of_job(claim, part.timings) for claim in some)
                    results += Results(failures=failures)
                else:
                    results += self._saved(part, outcome)
        except DeviceFaultError as error:
            return results + Results(interruption=error)
        return results

    def close(self) -> None:
        """End the threads."""
        if self._writers is not None:
            self._writers.shutdown()

    def _decoded(
        self, part: SampledPart, claims: Sequence[Claim], _: LoadCost
    ) -> Sequence[tuple[Success, Any]]:
        """A result without files, and the motion, of each claim."""
        start = self._clock()
        places = {claim.job_id: place for place, claim in enumerate(part.claims)}
        chosen = [places[claim.job_id] for claim in claims]
        motions = part.engine.decode([part.latents[place] for place in chosen])
        # Measuring takes a few milliseconds and is counted as decoding.
        measures = part.engine.measure(motions)
        decode = (self._mark() - start) / len(claims)
        timings = replace(part.timings, decode=decode)
        peak, runs = part.peak_memory_bytes, [part.runs[place] for place in chosen]
        made = zip(claims, motions, measures, runs, strict=True)
        return [
            (Success(claim, timings, peak, (), quality, features, run), motion)
            for claim, motion, (quality, features), run in made
        ]

    def _saved(self, part: SampledPart, made: Sequence[tuple[Success, Any]]) -> Results:
        saves = [partial(self._save, part, win, motion) for win, motion in made]
        each = map if self._writers is None else self._writers.map
        results = Results()
        for outcome in each(_outcome, saves, [win for win, _ in made]):
            results += outcome
        return results

    def _save(self, part: SampledPart, win: Success, motion: Any) -> Success:
        """Save a motion; raises `SaveError`."""
        begun = self._clock()
        artifacts = save(win.claim, motion, part.engine.write)
        timings = replace(win.timings, save=self._mark() - begun)
        return replace(win, artifacts=artifacts, timings=timings)

    def _mark(self) -> float:
        self._on_phase()
        return self._clock()


def _outcome(save: Callable[[], Success], win: Success) -> Results:
    try:
        return Results(successes=(save(),))
    except SaveError as error:
        failure = diagnose(error).of_job(win.claim, win.timings)
        return Results(unsaved=(Unsaved(win.claim, save, failure),))
    except Exception as error:  # noqa: BLE001  # a bad motion fails alone
        return Results(failures=(diagnose(error).of_job(win.claim, win.timings),))
