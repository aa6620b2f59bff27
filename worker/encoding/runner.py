"""Encoding the texts of jobs that wait for them: claim, encode, settle."""

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
from worker.execution.bisection import bisect
from worker.execution.failures import Diagnosis, diagnose
from worker.execution.lease_keeper import LeaseKeeper
from worker.execution.progress_stamp import ProgressStamp
from worker.execution.worker_queue import WorkerQueue
from worker.planning.encoder_placement import EncoderPlacement

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class EncodingRunner:
    """Encodes texts of one model.

    Attributes:
        model: of the texts.
        texts: where they are found and kept.
        demand: what a job of the model asks of who encodes its text.
        queue: to claim from.
        pool: has the encoder.
        keeper, stamp: leases and the sign of progress.
        meter: of the device's memory; None: it is not measured.
        clock: monotonic seconds.
    """

    model: str
    texts: PromptFeatures
    demand: TextDemand
    queue: WorkerQueue
    pool: ModelPool
    keeper: LeaseKeeper
    stamp: ProgressStamp
    meter: MemoryMeter | None = None
    clock: Callable[[], float] = time.monotonic

    def run(self, job_ids: Sequence[int]) -> list[Claim]:
        """Claim jobs, one per text, and encode these; the claims whose text is there now.

        Texts that fail are tried again in halves, so that a bad one fails alone.
        """
        if self.meter is not None:
            self.meter.reset()
        if not self.texts.plan.encodes or not self._load():
            return []
        claims = self.queue.claim_texts(job_ids, self.demand)
        if not claims:
            return []
        done: list[Claim] = []
        load = self.pool.owed_encoding(self.model)
        halved = "%d texts failed; encoding them in halves: %s"
        with self.keeper.hold(claims):
            for some, outcome in bisect(claims, self._encode, load=load, halved=halved):
                if isinstance(outcome, Diagnosis):
                    self._fail(some, outcome)
                else:
                    self._settle(some, *outcome)
                    done += some
        return done

    def _load(self) -> bool:
        """Load the encoder. One that cannot be loaded is given up: jobs wait for another worker,
        and this one goes on with what is encoded already."""
        try:
            self.pool.encoder(self.model)  # no lease is held meanwhile that could run out
        except Exception as error:  # noqa: BLE001 — files of the user's, a library, a device
            log.error(  # noqa: TRY400 — `diagnose` has the traceback where nobody foresaw it
                "the text encoder of %s cannot be loaded, and is given up: %s",
                self.model, diagnose(error).error,
            )  # fmt: skip
            self.texts.plan = EncoderPlacement.CACHED
            self.queue.give_up_encoder(self.model)
            return False
        return True

    def _encode(self, claims: Sequence[Claim], load: LoadCost) -> tuple[float, LoadCost]:
        """Encode a text for each claim; the seconds of each, and the loading to book."""
        start = self.clock()
        prompts = [claim.prompt for claim in claims]
        self.texts.encode(prompts, on_batch=lambda *_: self.stamp.touch())
        return (self.clock() - start) / len(claims), load

    def _settle(self, claims: Sequence[Claim], seconds: float, load: LoadCost) -> None:
        """Send the claims on; the first of them bears what loading there was."""
        peak = None if self.meter is None else self.meter.peak()
        for some, cost in ((claims[:1], load), (claims[1:], LoadCost())):
            timings = Timings(load=cost.seconds, encode=seconds)
            run = Run(plan=self.texts.plan.value, embedding=MADE, loads=cost.loads)
            if some:
                self.queue.encoded(some, timings, run, peak)

    def _fail(self, claims: Sequence[Claim], found: Diagnosis) -> None:
        # A text that does not fit in memory alone fits no larger class of sampling either.
        self.queue.fail([replace(found.of_job(claim), gib=None) for claim in claims])
        for claim in claims:
            log.warning("job %d: %s: %s", claim.job_id, found.failure, found.error)
