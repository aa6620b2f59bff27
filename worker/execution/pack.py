"""Runs a pack: encode, sample, decode and save; the result of each of its jobs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from jobs.domain.attempts import Claim, Failed, Run, Success, Timings
from worker.engine.pool import LoadCost
from worker.engine.protocol import Engine, OnStep
from worker.engine.texts import PackTexts
from worker.errors import DeviceFaultError, EngineLoadError, PackStoppedError
from worker.execution.bisection import bisect
from worker.execution.failures import Diagnosis, diagnose
from worker.execution.save import SaveError, save
from worker.execution.unsaved import Unsaved


@dataclass(frozen=True)
class Results:
    """The results of a pack. Jobs in none of the lists were cancelled or lost, or were not run.

    Attributes:
        interruption: why the pack could not be finished; None: it was.
    """

    successes: tuple[Success, ...] = ()
    failures: tuple[Failed, ...] = ()
    unsaved: tuple[Unsaved, ...] = ()
    interruption: EngineLoadError | DeviceFaultError | None = None

    def __add__(self, other: Results) -> Results:
        return Results(
            self.successes + other.successes,
            self.failures + other.failures,
            self.unsaved + other.unsaved,
        )


@dataclass(frozen=True, kw_only=True)
class PackRunner:
    """Runs a pack on an engine. A pack that fails is bisected, so that a bad job fails alone.

    Attributes:
        on_step: called after each solver step.
        on_phase: called between phases, to record progress.
        stopped: whether a job was cancelled or lost meanwhile. A pack ends at the next step once
            all its jobs are; such jobs are not attempted again.
        clock: monotonic seconds.
    """

    on_step: OnStep
    on_phase: Callable[[], None]
    stopped: Callable[[Claim], bool] = lambda _: False
    clock: Callable[[], float] = time.perf_counter

    def run(
        self,
        engine: Engine,
        claims: Sequence[Claim],
        *,
        load: LoadCost,
        texts: PackTexts | None = None,
    ) -> Results:
        """Run a pack.

        Args:
            engine: loaded with the pack's model and mode.
            claims: of one model, mode and number of steps.
            load: the load cost to book on these jobs.
            texts: the stored texts of a model with a separate encoder.
        """
        results = Results()
        ended = bisect(
            claims,
            partial(self._once, engine, texts or PackTexts()),
            load=load,
            halved="a pack of %d failed; running it in halves: %s",
            stopped=self.stopped,
        )
        try:
            for some, outcome in ended:
                if isinstance(outcome, Diagnosis):
                    results += Results(failures=tuple(outcome.of_job(claim) for claim in some))
                else:
                    results += outcome
        except (EngineLoadError, DeviceFaultError) as error:
            return replace(results, interruption=error)
        return results

    def _once(
        self, engine: Engine, texts: PackTexts, claims: Sequence[Claim], load: LoadCost
    ) -> Results:
        engine.start_measuring()
        start = self.clock()
        encoded = engine.encode(claims, texts.found)
        encoded_at = self._mark()
        sampled = engine.sample(claims, encoded, partial(self._step, claims))
        sampled_at = self._mark()
        motions = engine.decode(sampled.latents)
        # Measuring takes a few milliseconds and is counted as decoding.
        qualities = engine.measure(motions)
        features = engine.features(motions)
        decoded_at = self._mark()
        share = 1 / len(claims)
        timings = Timings(
            load=load.seconds * share,
            encode=(encoded_at - start) * share + texts.seconds,
            sample=(sampled_at - encoded_at) * share,
            decode=(decoded_at - sampled_at) * share,
        )
        peak = engine.peak_memory()
        runs = _booked(sampled.runs, load.loads)
        results = Results()
        made = zip(claims, motions, qualities, features, runs, strict=True)
        for claim, motion, quality, kept, run in made:
            win = Success(claim, timings, peak, (), quality, kept, run)
            saved = partial(self._saved, engine, win, motion)
            try:
                results += Results(successes=(saved(),))
            except SaveError as error:
                failure = diagnose(error).of_job(claim, timings)
                results += Results(unsaved=(Unsaved(claim, saved, failure),))
        return results

    def _saved(self, engine: Engine, win: Success, motion: Any) -> Success:
        """Save a motion; raises `SaveError`."""
        begun = self.clock()
        artifacts = save(win.claim, motion, engine.write)
        timings = replace(win.timings, save=self._mark() - begun)
        return replace(win, artifacts=artifacts, timings=timings)

    def _step(self, claims: Sequence[Claim], step: int, total: int) -> None:
        self.on_step(step, total)
        if all(map(self.stopped, claims)):
            raise PackStoppedError

    def _mark(self) -> float:
        self.on_phase()
        return self.clock()


def _booked(runs: Sequence[Run], loads: int) -> list[Run]:
    """Book the loads before the pack on its first job: a count cannot be divided."""
    first, *others = runs
    return [replace(first, loads=(first.loads or 0) + loads), *others]
