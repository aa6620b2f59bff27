"""Encodes the texts of waiting jobs: claim, encode, settle."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from jobs.domain.attempts import Claim, Run, Timings
from jobs.domain.routing import TextDemand
from worker.device.memory_meter import MemoryMeter
from worker.engine.pool import LoadCost, ModelPool
from worker.engine.texts import MADE, PromptFeatures
from worker.errors import DeviceFaultError
from worker.execution.bisection import bisect
from worker.execution.failures import Diagnosis, diagnose
from worker.execution.health import WorkerHealth
from worker.execution.lease_keeper import LeaseKeeper
from worker.execution.progress_stamp import ProgressStamp
from worker.execution.worker_queue import WorkerQueue
from worker.planning.encoder_placement import EncoderPlacement

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
    health: WorkerHealth
    meter: MemoryMeter | None = None
    clock: Callable[[], float] = time.monotonic

    def run(self, job_ids: Sequence[int]) -> list[Claim]:
        """Claim jobs, one per text, and encode their texts.

        Texts that fail are bisected, so that a bad one fails alone.

        Returns:
            The claims whose text is now encoded.
        """
        if self.meter is not None:
            self.meter.reset()
        if not self.texts.plan.encodes or not self._load():
            return []
        claims = self.queue.claim_texts(job_ids, self.demand)
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
                self.queue.faulted(fault.claims, str(fault))
                self.queue.release(claims, str(fault))  # the rest; ended attempts stay as they are
                raise
        return done

    def _load(self) -> bool:
        """Load the encoder. Returns False if that fails.

        This worker then samples only texts that are already encoded, and jobs wait for another
        worker to encode theirs.
        """
        try:
            self.pool.encoder(self.model)  # before claiming, so that no lease expires meanwhile
        except Exception as error:  # noqa: BLE001 — user files, libraries and the device can fail
            log.error(  # noqa: TRY400 — `diagnose` adds the traceback of unexpected errors
                "the text encoder of %s cannot be loaded; this worker stops encoding: %s",
                self.model, diagnose(error).error,
            )  # fmt: skip
            self.texts.plan = EncoderPlacement.CACHED
            self.queue.give_up_encoder(self.model)
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
