"""The scribe: sees that texts are encoded before jobs are sampled.

A job whose text is not in the store waits for it (`jobs.store.queue.encoding`). A worker whose plan
encodes takes what waits, its own jobs and those of smaller cards alike: at once where the encoder
is resident, and else in turns with sampling, as seldom as `EncodingPolicy` says.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from jobs.domain.attempts import Claim, Failed, Run, Timings
from jobs.domain.backoff import exponential
from jobs.domain.routing import Offer, TextDemand
from jobs.settings import Settings
from jobs.store.queue.encoding import Waiter
from jobs.store.store import Store
from worker.device.memory_meter import MemoryMeter
from worker.encoding.policy import EncodingPolicy
from worker.engine.pool import LoadCost, ModelPool
from worker.engine.texts import MADE, PromptFeatures
from worker.errors import OutageError
from worker.execution.database_retry import DatabaseRetry
from worker.execution.failures import Diagnosis, diagnose
from worker.execution.lease_keeper import LeaseKeeper
from worker.execution.progress_stamp import ProgressStamp
from worker.planning.encoder_placement import EncoderPlacement

log = logging.getLogger(__name__)

#: Jobs looked at when one turns out to have no text: whether theirs is there.
AHEAD = 4096
#: Waiting jobs looked at for a round, and texts claimed in one go: what a lease is held for.
WINDOW = 2048
ROUND = 64
#: Seconds between two looks for jobs that wait for an encoder which nobody has.
STRAYS = 60.0
#: Seconds that loading an encoder may take without a sign of progress.
LOADING = 600.0


@dataclass
class _ModelTexts:
    """One model's texts, and what was seen of those that wait."""

    texts: PromptFeatures
    demand: TextDemand
    first_seen: float | None = None
    ended: float = field(default=float("-inf"))
    looked: float = field(default=float("-inf"))


class EncodingScheduler:
    """Encodes what waits, and sends to wait what is not encoded.

    Args:
        store: the database.
        worker_id, offer: who claims.
        texts: model → its texts and what a job of it asks of who encodes.
        garage: has the encoders.
        keeper, stamp: leases and the sign of progress.
        settings: lease and backoff.
        outage: repeats what the database did not answer.
        stopping: whether no further round may begin.
        meter: of the device's memory; None: it is not measured.
        turns: when to change over.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        *,
        store: Store,
        worker_id: int,
        offer: Offer,
        texts: Mapping[str, tuple[PromptFeatures, TextDemand]],
        pool: ModelPool,
        keeper: LeaseKeeper,
        stamp: ProgressStamp,
        settings: Settings,
        outage: DatabaseRetry,
        stopping: Callable[[], bool],
        meter: MemoryMeter | None = None,
        turns: EncodingPolicy | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._worker_id = worker_id
        self._offer = offer
        self._texts = {model: _ModelTexts(*each) for model, each in texts.items()}
        self._pool = pool
        self._keeper = keeper
        self._stamp = stamp
        self._lease = settings.lease
        self._alive = settings.alive
        self._backoff = exponential(settings.backoff)
        self._outage = outage
        self._stopping = stopping
        self._meter = meter
        self._turns = turns or EncodingPolicy()
        self._clock = clock

    def admit(self, claims: Sequence[Claim]) -> Sequence[Claim]:
        """Those of a claimed pack that can be sampled here; the others wait for their text.

        Where one has none, the jobs that come next are looked through as well, so that a night's
        prompts are found missing at once and not pack by pack.
        """
        desk = self._texts.get(claims[0].model)
        if desk is None or desk.texts.plan is EncoderPlacement.RESIDENT:
            return claims
        missing = set(desk.texts.missing([claim.prompt for claim in claims]))
        if not missing:
            return claims
        self.send_back([claim for claim in claims if claim.prompt in missing])
        self._park_ahead(claims[0].model, desk)
        return [claim for claim in claims if claim.prompt not in missing]

    def send_back(self, claims: Sequence[Claim]) -> None:
        """Let claimed jobs of one model wait for their text."""
        demand = self._texts[claims[0].model].demand
        self._outage.call(lambda: self._store.encoding.send_back(claims, demand))

    def due(self, *, idle: bool) -> bool:
        """Whether there is something to encode, and this is the moment.

        Args:
            idle: whether nothing can be sampled.
        """
        return any(self._due(model, desk, idle=idle) for model, desk in self._texts.items())

    def work(self) -> int:
        """Encode what waits; how many jobs can be sampled now."""
        return sum(
            self._turn(model, desk)
            for model, desk in self._texts.items()
            if desk.texts.plan.encodes
        )

    def _free_strays(self, model: str, desk: _ModelTexts) -> None:
        """Jobs may wait for an encoder that was replaced since, or is quantised otherwise now."""
        now = self._clock()
        if now - desk.looked < STRAYS:
            return
        desk.looked = now
        offers = self._outage.call(lambda: self._store.workers.offers(alive=self._alive))
        encoders = {offer.encoders[model] for offer in offers if model in offer.encoders}
        encoders.add(desk.demand.revision)
        freed = self._outage.call(lambda: self._store.encoding.free_strays(model, encoders))
        if freed:
            log.info("%d jobs waited for a text encoder that no worker has", freed)

    def _due(self, model: str, desk: _ModelTexts, *, idle: bool) -> bool:
        if idle:
            self._free_strays(model, desk)
        if not desk.texts.plan.encodes:
            return False
        revision = desk.demand.revision
        waiting = self._outage.call(
            lambda: self._store.encoding.crowd(model, revision, self._turns.many)
        )
        now = self._clock()
        if not waiting:
            desk.first_seen = None
            return False
        if desk.first_seen is None:
            desk.first_seen = now
        if desk.texts.plan is EncoderPlacement.RESIDENT:
            return True
        waited, since = now - desk.first_seen, now - desk.ended
        return self._turns.due(waiting, waited=waited, since=since, idle=idle)

    def _park_ahead(self, model: str, desk: _ModelTexts) -> None:
        ahead = self._outage.call(lambda: self._store.encoding.upcoming(self._offer, model, AHEAD))
        missing = set(desk.texts.missing([each.prompt for each in ahead]))
        parked = [each.job_id for each in ahead if each.prompt in missing]
        self._outage.call(lambda: self._store.encoding.park(parked, desk.demand))

    def _turn(self, model: str, desk: _ModelTexts) -> int:
        """One turn of a model's encoder: everything that waits, a window at a time."""
        moved = 0
        while not self._stopping():
            found = self._outage.call(
                lambda: self._store.encoding.waiters(model, desk.demand.revision, WINDOW)
            )
            went = self._window(model, desk, found) if found else 0
            moved += went
            if went == 0:
                break
        desk.first_seen = None
        desk.ended = self._clock()
        return moved

    def _window(self, model: str, desk: _ModelTexts, waiters: Sequence[Waiter]) -> int:
        """Encode the texts of these jobs, and send them on."""
        missing = set(desk.texts.missing([each.prompt for each in waiters]))
        moved = self._send_on([each for each in waiters if each.prompt not in missing])
        heads: dict[str, int] = {}
        for each in waiters:
            if each.prompt in missing:
                heads.setdefault(each.prompt, each.job_id)
        ids = list(heads.values())
        for start in range(0, len(ids), ROUND):
            if self._stopping():
                break
            encoded = self._round(model, desk, ids[start : start + ROUND])
            moved += len(encoded)
            done = {claim.prompt for claim in encoded}
            heads_done = {claim.job_id for claim in encoded}
            moved += self._send_on(
                [w for w in waiters if w.prompt in done and w.job_id not in heads_done]
            )
        return moved

    def _send_on(self, waiters: Sequence[Waiter]) -> int:
        ids = [each.job_id for each in waiters]
        return self._outage.call(lambda: self._store.encoding.unpark(ids)) if ids else 0

    def _round(self, model: str, desk: _ModelTexts, job_ids: Sequence[int]) -> list[Claim]:
        """Claim jobs, one a text, and encode these; the claims whose text is there now."""
        if self._meter is not None:
            self._meter.reset()
        if not desk.texts.plan.encodes or not self._load(model, desk):
            return []
        claims = self._outage.call(
            lambda: self._store.encoding.claim_texts(
                self._worker_id, job_ids, revision=desk.demand.revision, lease=self._lease
            )
        )
        if not claims:
            return []
        self._keeper.hold(claims)
        try:
            return self._encode(desk, claims, load=self._pool.owed_encoding(model))
        finally:
            self._keeper.hold(())

    def _load(self, model: str, desk: _ModelTexts) -> bool:
        """Load the encoder. One that cannot be loaded is given up: jobs wait for another worker,
        and this one goes on with what is encoded already."""
        try:
            with self._stamp.allow(LOADING):
                self._pool.encoder(model)
        except Exception as error:  # noqa: BLE001 — files of the user's, a library, a device
            log.error(  # noqa: TRY400 — `diagnose` has the traceback where nobody foresaw it
                "the text encoder of %s cannot be loaded, and is given up: %s",
                model, diagnose(error).error,
            )  # fmt: skip
            desk.texts.plan = EncoderPlacement.CACHED
            self._outage.call(lambda: self._store.workers.give_up_encoder(self._worker_id, model))
            return False
        return True

    def _encode(self, desk: _ModelTexts, claims: Sequence[Claim], *, load: LoadCost) -> list[Claim]:
        """Encode a text for each claim. What fails is tried again in halves, so that a bad text
        fails alone."""
        start = self._clock()
        outcome = self._guarded(desk, claims)
        if outcome is None:
            took = (self._clock() - start) / len(claims)
            self._settle(desk, claims, took, load)
            return list(claims)
        if len(claims) == 1:
            failed = _failed(outcome, claims[0])
            self._outage.call(lambda: self._store.completion.fail([failed], backoff=self._backoff))
            log.warning("job %d: %s: %s", claims[0].job_id, outcome.failure, outcome.error)
            return []
        log.warning("%d texts failed; encoding them in halves: %s", len(claims), outcome.error)
        middle = len(claims) // 2
        first = self._encode(desk, claims[:middle], load=load)
        return first + self._encode(desk, claims[middle:], load=LoadCost())

    def _guarded(self, desk: _ModelTexts, claims: Sequence[Claim]) -> Diagnosis | None:
        try:
            desk.texts.encode(
                [claim.prompt for claim in claims], on_batch=lambda *_: self._stamp.touch()
            )
        except OutageError:
            raise
        except Exception as error:  # noqa: BLE001 — the fault boundary of encoding, as of a pack
            return diagnose(error)
        return None

    def _settle(
        self, desk: _ModelTexts, claims: Sequence[Claim], seconds: float, load: LoadCost
    ) -> None:
        """The first of the claims bears what loading there was."""
        plan = desk.texts.plan.value
        peak = None if self._meter is None else self._meter.peak()
        for some, owed in ((claims[:1], load), (claims[1:], LoadCost())):
            timings = Timings(load=owed.seconds, encode=seconds)
            run = Run(plan=plan, embedding=MADE, loads=owed.loads)
            if some:
                self._outage.call(
                    lambda some=some, timings=timings, run=run: self._store.encoding.encoded(  # type: ignore[misc]  # bound now
                        some, timings, run, peak_memory_bytes=peak
                    )
                )


def _failed(found: Diagnosis, claim: Claim) -> Failed:
    """A text that does not fit in memory alone fits no larger class of sampling either."""
    failed = found.of_job(claim)
    return Failed(
        claim=claim, failure=failed.failure, error=failed.error, retry=failed.retry, gib=None
    )
