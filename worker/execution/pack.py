"""Samples a pack; its motions are finished by `worker.execution.finishing`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from jobs.domain.attempts import Claim, Failed, Run, Timings
from worker.engine.pool import LoadCost
from worker.engine.protocol import Engine, OnStep
from worker.engine.texts import PackTexts
from worker.errors import DeviceFaultError, EngineLoadError, PackStoppedError
from worker.execution.bisection import bisect
from worker.execution.failures import Diagnosis


@dataclass(frozen=True)
class SampledPart:
    """Jobs of a pack that were sampled together: all of them, unless the pack was bisected.

    Attributes:
        engine: decodes and writes them.
        claims, latents, runs: of each job.
        timings: of each job, so far.
        peak_memory_bytes: of the device while they were sampled.
    """

    engine: Engine
    claims: Sequence[Claim]
    latents: Sequence[Any]
    runs: Sequence[Run]
    timings: Timings
    peak_memory_bytes: int


@dataclass(frozen=True)
class SampledPack:
    """The result of sampling. Jobs in neither list were cancelled or lost, or were not sampled.

    Attributes:
        interruption: why the pack could not be sampled to the end; None: it was.
    """

    parts: tuple[SampledPart, ...] = ()
    failures: tuple[Failed, ...] = ()
    interruption: EngineLoadError | DeviceFaultError | None = None

    @property
    def job_ids(self) -> frozenset[int]:
        """The jobs in either list."""
        claims = [claim for part in self.parts for claim in part.claims]
        return frozenset(each.job_id for each in (*claims, *(fail.claim for fail in self.failures)))


@dataclass(frozen=True, kw_only=True)
class PackRunner:
    """Samples a pack on an engine. A pack that fails is bisected, so that a bad job fails alone.

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
        prepared: Any = None,
    ) -> SampledPack:
        """Sample a pack.

        Args:
            engine: loaded with the pack's model and mode.
            claims: of one model, mode and number of steps.
            load: the load cost to book on these jobs.
            texts: the stored texts of a model with a separate encoder.
            prepared: what the engine prepared for these claims.
        """
        sampled = SampledPack()
        ended = bisect(
            claims,
            partial(self._once, engine, texts or PackTexts(), prepared),
            load=load,
            halved="a pack of %d failed; running it in halves: %s",
            stopped=self.stopped,
        )
        try:
            for some, outcome in ended:
                if isinstance(outcome, Diagnosis):
                    failures = tuple(outcome.of_job(claim) for claim in some)
                    sampled = replace(sampled, failures=sampled.failures + failures)
                else:
                    sampled = replace(sampled, parts=(*sampled.parts, outcome))
        except (EngineLoadError, DeviceFaultError) as error:
            return replace(sampled, interruption=error)
        return sampled

    def _once(
        self,
        engine: Engine,
        texts: PackTexts,
        prepared: Any,
        claims: Sequence[Claim],
        load: LoadCost,
    ) -> SampledPart:
        engine.start_measuring()
        start = self.clock()
        encoded = engine.encode(claims, texts.found)
        encoded_at = self._mark()
        sampled = engine.sample(claims, encoded, partial(self._step, claims), prepared)
        sampled_at = self._mark()
        share = 1 / len(claims)
        timings = Timings(
            load=load.seconds * share,
            encode=(encoded_at - start) * share + texts.seconds,
            sample=(sampled_at - encoded_at) * share,
        )
        runs = _booked(sampled.runs, load.loads)
        return SampledPart(engine, claims, sampled.latents, runs, timings, engine.peak_memory())

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
