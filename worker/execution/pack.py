"""Running a pack: encode, sample, decode, save, and saying how each of its jobs ended."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from jobs.domain.attempts import Claim, Failed, Run, Success, Timings
from worker.engine.pool import LoadCost
from worker.engine.protocol import Engine, OnStep
from worker.errors import OutageError, PackStoppedError, UnencodedError
from worker.execution.failures import Diagnosis, diagnose
from worker.execution.save import SaveError, save

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Results:
    """How a pack's jobs ended. Jobs in none of these were stopped on purpose.

    Attributes:
        unencoded: jobs that wait for their text.
    """

    successes: tuple[Success, ...] = ()
    failures: tuple[Failed, ...] = ()
    unencoded: tuple[Claim, ...] = ()

    def __add__(self, other: Results) -> Results:
        return Results(
            self.successes + other.successes,
            self.failures + other.failures,
            self.unencoded + other.unencoded,
        )


class PackRunner:
    """Runs packs on engines. Nothing a job does gets past it: this is the worker's fault boundary.

    Args:
        on_step: called after each solver step.
        on_phase: called between phases: a sign of progress.
        stopped: whether a job was cancelled or lost meanwhile. A pack of such jobs alone ends at
            the step; none is begun with them.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        *,
        on_step: OnStep,
        on_phase: Callable[[], None],
        stopped: Callable[[Claim], bool] = lambda _: False,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._on_step = on_step
        self._on_phase = on_phase
        self._stopped = stopped
        self._clock = clock

    def run(self, engine: Engine, claims: Sequence[Claim], *, load: LoadCost) -> Results:
        """Run a pack. One that fails is run again in halves, so that a bad job fails alone.

        Args:
            engine: loaded with the pack's model and mode.
            claims: of one model, mode and number of steps.
            load: loading to book on these jobs.
        """
        claims = [claim for claim in claims if not self._stopped(claim)]
        if not claims:
            return Results()
        try:
            outcome = self._guarded(engine, claims, load=load)
        except UnencodedError as error:
            return self._waiting(engine, claims, error.indices, load=load)
        if isinstance(outcome, Results):
            return outcome
        # The exception and its frames are gone by now, and with them the failed pack's tensors.
        if len(claims) == 1:
            return Results(failures=(outcome.of_job(claims[0]),))
        if outcome.places:
            return self._without(engine, claims, outcome)
        log.warning("a pack of %d failed; running it in halves: %s", len(claims), outcome.error)
        middle = len(claims) // 2
        first = self.run(engine, claims[:middle], load=load)
        return first + self.run(engine, claims[middle:], load=LoadCost())

    def _waiting(
        self, engine: Engine, claims: Sequence[Claim], places: Sequence[int], *, load: LoadCost
    ) -> Results:
        """Leave those out whose text is missing, and run the others."""
        waiting = tuple(claims[place] for place in places)
        rest = [claim for place, claim in enumerate(claims) if place not in set(places)]
        return Results(unencoded=waiting) + self.run(engine, rest, load=load)

    def _without(self, engine: Engine, claims: Sequence[Claim], outcome: Diagnosis) -> Results:
        """Fail the jobs that are to blame, and run the others again."""
        bad = [claim for place, claim in enumerate(claims) if place in outcome.places]
        rest = [claim for place, claim in enumerate(claims) if place not in outcome.places]
        results = Results(failures=tuple(outcome.of_job(claim) for claim in bad))
        return results + self.run(engine, rest, load=LoadCost())

    def _guarded(
        self, engine: Engine, claims: Sequence[Claim], *, load: LoadCost
    ) -> Results | Diagnosis:
        try:
            return self._once(engine, claims, load=load)
        except PackStoppedError:
            return Results()
        except (OutageError, UnencodedError):
            # No fault of the jobs: the worker itself cannot go on, or they wait for their text.
            raise
        except Exception as error:  # noqa: BLE001  # the one fault boundary of the worker
            return diagnose(error)

    def _once(self, engine: Engine, claims: Sequence[Claim], *, load: LoadCost) -> Results:
        engine.start_measuring()
        start = self._clock()
        texts = engine.encode(claims)
        encoded = self._mark()
        latents = engine.sample(claims, texts, partial(self._step, claims))
        sampled = self._mark()
        motions = engine.decode(latents)
        # Counted as decoding: a few milliseconds that nobody would look for elsewhere.
        qualities = engine.measure(motions)
        features = engine.features(motions)
        decoded = self._mark()
        share = 1 / len(claims)
        timings = Timings(
            load=load.seconds * share,
            encode=(encoded - start) * share,
            sample=(sampled - encoded) * share,
            decode=(decoded - sampled) * share,
        )
        peak = engine.peak_memory()
        runs = _booked(engine.runs(claims), load.loads)
        results = Results()
        made = zip(claims, motions, qualities, features, runs, strict=True)
        for claim, motion, quality, kept, run in made:
            begun = self._clock()
            try:
                artifacts = save(claim, motion, engine.write)
            except SaveError as error:
                results += Results(failures=(diagnose(error).of_job(claim, timings),))
                continue
            timed = replace(timings, save=self._mark() - begun)
            win = Success(claim, timed, peak, artifacts, quality, kept, run)
            results += Results(successes=(win,))
        return results

    def _step(self, claims: Sequence[Claim], step: int, total: int) -> None:
        self._on_step(step, total)
        if all(map(self._stopped, claims)):
            raise PackStoppedError

    def _mark(self) -> float:
        self._on_phase()
        return self._clock()


def _booked(runs: Sequence[Run], loads: int) -> list[Run]:
    """Loading before the pack belongs to its first job: a count is not to be shared out."""
    first, *others = runs
    return [replace(first, loads=(first.loads or 0) + loads), *others]
