"""Encodes the texts of waiting jobs: claim, encode, settle."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from jobs.domain.attempts import Claim, Run, Timings
from jobs.domain.pauses import PauseScope
from jobs.domain.routing import TextDemand
from worker.device.memory_meter import MemoryMeter
from worker.engine.pool import LoadCost, ModelPool
from worker.engine.texts import MADE, PromptFeatures
from worker.errors import DeviceFaultError
from worker.execution.bisection import bisect
from worker.execution.failures import Diagnosis, diagnose, first_line, is_device_fault
from worker.execution.health import WorkerHealth
from worker.execution.lease_keeper import LeaseKeeper
from worker.execution.probes import Probes
from worker.execution.progress_stamp import ProgressStamp
from worker.execution.worker_queue import WorkerQueue

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class EncodingRunner:
    """Encodes texts of one model.

    Attributes:
        model: the model's name.
        texts: looks up, encodes and stores the texts.
        demand: the encoder that jobs of the model require.
        queue: this worker's view of the queue.
        pool: loads the encoder.
        keeper: renews the leases.
        stamp: records progress.
        probes: end the pause of an encoder that cannot be loaded.
        health: pauses a sick worker.
        meter: measures the device's memory; None: it is not measured.
        clock: monotonic seconds.
    """

    model: str
    texts: PromptFeatures
    demand: TextDemand
    queue: WorkerQueue
    pool: ModelPool
    keeper: LeaseKeeper
    stamp: ProgressStamp
    probes: Probes
    health: WorkerHealth
    meter: MemoryMeter | None = None
    clock: Callable[[], float] = time.monotonic

    @property
    def encodes(self) -> bool:
        """Whether this worker encodes texts of the model now."""
        paused = self.probes.pending(PauseScope.ENCODER, self.model)
        return self.texts.plan.encodes and not paused

    def run(self, job_ids: Sequence[int]) -> list[Claim]:
        """Claim jobs, one per text, and encode their texts.

        Texts that fail are bisected, so that a bad one fails alone.

        Returns:
            The claims whose text is now encoded.
        """
        if self.meter is not None:
            self.meter.reset()
        if not self.encodes or not self._load():
            return []
        claims = self.queue.claim_texts(job_ids, self.demand, held=self.keeper.job_ids)
        if not claims:
            return []
        done: list[Claim] = []
        load = self.pool.take_encoder_load_cost(self.model)
        halved = "%d texts failed; encoding them in halves: %s"
        with self.keeper.hold(claims):
            try:
                for some, outcome in bisect(claims, self._encode, load=load, halved=halved):
                    if isinstance(outcome, Diagnosis):
                        self._fail(some, outcome)
                    else:
                        self._settle(some, *outcome)
                        done += some
            except DeviceFaultError as fault:
                self.queue.faulted(fault.claims, str(fault), alone=len(fault.claims) == 1)
                self.queue.release(claims, str(fault))  # the rest; ended attempts stay as they are
                raise
        return done

    def _load(self) -> bool:
        """Load the encoder. Returns False if that fails.

        Until it can be loaded, this worker samples only texts that are already encoded, and other
        workers encode the others.
        """
        load = partial(self.pool.encoder, self.model)
        try:
            load()  # before claiming, so that no lease expires meanwhile
        except Exception as error:
            if is_device_fault(error):
                raise DeviceFaultError(first_line(error)) from error
            log.error(  # noqa: TRY400 — `diagnose` adds the traceback of unexpected errors
                "the text encoder of %s cannot be loaded: %s", self.model, diagnose(error).error
            )
            reason = f"the text encoder of {self.model} cannot be loaded: {first_line(error)}"
            self.probes.begin(PauseScope.ENCODER, self.model, reason, load)
            return False
        return True

    def _encode(self, claims: Sequence[Claim], load: LoadCost) -> tuple[float, LoadCost]:
        """Encode a text for each claim. Returns the seconds per text, and the load cost to book."""
        start = self.clock()
        prompts = [claim.prompt for claim in claims]
        self.texts.encode(prompts, on_batch=lambda *_: self.stamp.touch())
        return (self.clock() - start) / len(claims), load

    def _settle(self, claims: Sequence[Claim], seconds: float, load: LoadCost) -> None:
        """Release the claims for sampling. The load cost is booked on the first of them."""
        peak = None if self.meter is None else self.meter.peak()
        for some, cost in ((claims[:1], load), (claims[1:], LoadCost())):
            timings = Timings(load=cost.seconds, encode=seconds)
            run = Run(plan=self.texts.plan.value, embedding=MADE, loads=cost.loads)
            if some:
                self.queue.encoded(some, timings, run, peak)
        self.health.note((), succeeded=len(claims))

    def _fail(self, claims: Sequence[Claim], found: Diagnosis) -> None:
        # `gib` is the memory class of sampling: raising it does not help an encoder out of memory.
        failures = [replace(found.of_job(claim), gib=None) for claim in claims]
        self.queue.fail(failures)
        self.health.note(failures, succeeded=0)
        for claim in claims:
            log.warning("job %d: %s: %s", claim.job_id, found.failure, found.error)
