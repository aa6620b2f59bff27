"""A stub engine that can fail in every phase, and a test bench with a worker's loop."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from jobs.domain.attempts import Claim, Features, MotionQuality, Run
from jobs.domain.backoff import exponential
from jobs.domain.batches import NewJob
from jobs.domain.catalog import model_entry
from jobs.domain.memory import GIB
from jobs.domain.outage import Outage
from jobs.domain.routing import Offer
from jobs.domain.spec import JobSpec
from jobs.domain.workers import WorkerCard
from jobs.settings import Settings
from jobs.store.store import Store
from worker.admission import Admission
from worker.encoding.policy import EncodingPolicy
from worker.encoding.runner import EncodingRunner
from worker.encoding.scheduler import EncodingScheduler
from worker.engine.pool import ModelPool
from worker.engine.protocol import Encoded, Sampled
from worker.engine.texts import PromptFeatures
from worker.execution.database_retry import DatabaseRetry
from worker.execution.engines import Engines
from worker.execution.finishing import MotionFinisher
from worker.execution.folders import BatchFolders
from worker.execution.health import WorkerHealth
from worker.execution.lease_keeper import LeaseKeeper
from worker.execution.pack_finisher import PackFinisher
from worker.execution.pack_size import PackSize
from worker.execution.pauses import Pauses
from worker.execution.probes import Probes
from worker.execution.progress_stamp import ProgressStamp
from worker.execution.settlement import Settlement
from worker.execution.unsaved import UnsavedMotions
from worker.execution.worker_queue import WorkerQueue
from worker.loop import WorkLoop

if TYPE_CHECKING:
    from tests.conftest import Ticker

OFFER = Offer(name="w", modes=("full", "lite"), models=("null",), memory_bytes=1024 * GIB)


def _nothing(_phase: str, _pack: Sequence[Claim]) -> None:
    pass


@dataclass
class StubEngine:
    """Goes through the phases, writes small files, and notes the packs it was given.

    `sabotage` is called with the phase (prepare, encode, step, decode, measure, write) and
    its claims, and may raise. Latents and motions are pairs of a claim and its text; a motion's
    jitter is the length of the text.

    Attributes:
        texts: of a model whose encoder is apart; None: a text is the prompt itself.
        prepared: what `prepare` returns.
        given: what `sample` was given of it, pack for pack.
    """

    model: str = "null"
    mode: str = "full"
    sabotage: Callable[[str, Sequence[Claim]], None] = _nothing
    packs: list[list[str]] = field(default_factory=list)
    steps: int = 0
    texts: PromptFeatures | None = None
    closed: bool = False
    prepared: object = None
    given: list[object] = field(default_factory=list)

    def encode(self, claims: Sequence[Claim], found: dict[str, Any]) -> Sequence[Encoded]:
        self.packs.append([claim.custom_id for claim in claims])
        self.sabotage("encode", claims)
        prompts = [claim.prompt for claim in claims]
        if self.texts is None:
            return [Encoded(prompt) for prompt in prompts]
        return self.texts.complete(prompts, found)

    def prepare(self, claims: Sequence[Claim], found: dict[str, Any]) -> object:
        self.sabotage("prepare", claims)
        return self.prepared

    def sample(
        self,
        claims: Sequence[Claim],
        encoded: Sequence[Encoded],
        on_step: Callable[[int, int], None],
        prepared: object = None,
    ) -> Sampled:
        self.given.append(prepared)
        for step in range(1, claims[0].steps + 1):
            self.steps += 1
            self.sabotage("step", claims)
            on_step(step, claims[0].steps)
        latents = [(claim, each.text) for claim, each in zip(claims, encoded, strict=True)]
        return Sampled(latents, [Run(dtype="float64", embedding=each.source) for each in encoded])

    def decode(self, latents: Sequence[Any]) -> list[Any]:
        self.sabotage("decode", [claim for claim, _ in latents])
        return list(latents)

    def measure(self, motions: Sequence[Any]) -> Sequence[tuple[MotionQuality, Features | None]]:
        self.sabotage("measure", [claim for claim, _ in motions])
        return [
            (
                MotionQuality(1.0, 2.0, float(len(made))),
                Features("stub-1", len(made), made.encode()),
            )
            for _, made in motions
        ]

    def write(self, claim: Claim, motion: Any, format_: str, path: Path) -> bool:
        path.write_text(f"{format_} of {motion[1]}")
        self.sabotage("write", (claim,))
        return True

    def blank(self) -> Encoded:
        return Encoded("")

    def start_measuring(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True

    def peak_memory(self) -> int:
        return 7 * GIB


@dataclass
class Bench:
    """A store and the parts of a worker, without a worker process."""

    store: Store
    clock: Ticker
    folder: Path
    engine: StubEngine = field(default_factory=StubEngine)
    offer: Offer = OFFER
    settings: Settings = field(init=False)
    ended: list[Sequence[Claim]] = field(default_factory=list)
    shortage: str | None = None
    probed: list[Claim] = field(default_factory=list)
    beats: threading.Event = field(default_factory=threading.Event)
    draining: threading.Event = field(default_factory=threading.Event)
    closing: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        self.settings = Settings(
            home=self.folder, output=self.folder / "out", database_url="", pack=8
        )
        self.worker_id = self.register()
        self.stamp = ProgressStamp(self.clock)
        self.pauses = Pauses(write=self.queue().set_pauses, clock=self.clock)
        self.keeper = self.keep(self.settings)
        backoff = exponential(self.settings.backoff)
        self.probes = Probes(host="h", pauses=self.pauses, backoff=backoff, clock=self.clock)
        self.health = WorkerHealth(
            probes=self.probes,
            probe=self.probed.append,
            alone=self.queue().alone,
            backoff=backoff,
        )
        self.folders = BatchFolders(
            queue=self.queue(), pauses=self.pauses, host="h", clock=self.clock
        )
        self.unsaved = UnsavedMotions(
            queue=self.queue(), keeper=self.keeper, pauses=self.pauses, folders=self.folders,
            host="h", clock=self.clock,
        )  # fmt: skip

    def register(self) -> int:
        """A worker's id."""
        card = WorkerCard(
            offer=self.offer, host="h", pid=None, device="cpu", card="CPU", dtype="float32",
            nvlink=False, queues=(),
        )  # fmt: skip
        return self.store.workers.register(card)

    def queue(self) -> WorkerQueue:
        """The queue as the worker sees it."""
        return WorkerQueue(
            store=self.store,
            worker_id=self.worker_id,
            offer=self.offer,
            settings=self.settings,
            retry=DatabaseRetry(
                outage=Outage(say=lambda _: None, clock=self.clock),
                mend="wait",
                longest=60,
                sleep=self.clock.tick,
            ),
        )

    def keep(self, settings: Settings) -> LeaseKeeper:
        """A lease keeper, not started."""
        return LeaseKeeper(
            queue=self.queue(),
            settings=settings,
            stamp=self.stamp,
            expire=self.ended.append,
            heartbeat=self.beats.set,
        )

    def loaded(self, seconds: float) -> Callable[[], StubEngine]:
        """A pool that loads the engine in `seconds`."""

        def load() -> StubEngine:
            self.clock.tick(seconds)
            return self.engine

        return load

    def loop(
        self,
        *,
        settings: Settings | None = None,
        load: float = 0.0,
        pool: ModelPool | None = None,
        runners: Sequence[EncodingRunner] = (),
        policy: EncodingPolicy | None = None,
    ) -> WorkLoop:
        """The worker's loop."""
        key = ("null", "full")
        queue = self.queue()
        pool = pool or ModelPool(
            engines={key: self.loaded(load)},
            room={key: self.offer.memory_bytes},
            clock=self.clock,
        )
        scheduler = EncodingScheduler(
            queue=queue,
            runners=runners,
            stopping=self.draining.is_set,
            policy=policy,
            clock=self.clock,
        )
        engines = Engines(
            pool=pool, stamp=self.stamp, probes=self.probes, try_texts=scheduler.try_store
        )
        settlement = Settlement(
            queue=queue,
            keeper=self.keeper,
            engines=engines,
            probes=self.probes,
            health=self.health,
            shortage=lambda: self.shortage,
            unsaved=self.unsaved,
        )
        used = settings or self.settings
        size = PackSize(most=used.pack or 8, frames=None)
        admission = Admission(
            queue=queue,
            pool=pool,
            keeper=self.keeper,
            scheduler=scheduler,
            pauses=self.pauses,
            engines=engines,
            settlement=settlement,
            folders=self.folders,
            roots=used.output_roots,
            draining=self.draining,
            size=size,
        )
        loop = WorkLoop(
            queue=queue,
            pool=pool,
            keeper=self.keeper,
            stamp=self.stamp,
            scheduler=scheduler,
            pauses=self.pauses,
            probes=self.probes,
            engines=engines,
            settlement=settlement,
            finisher=PackFinisher(
                finisher=MotionFinisher(on_phase=self.stamp.touch),
                settlement=settlement,
                keeper=self.keeper,
            ),
            admission=admission,
            size=size,
            longest=used.claim,
            draining=self.draining,
            clock=self.clock,
        )
        self.closing.callback(loop.close)
        return loop

    def insert(self, *ids: str, batch: str = "b", limit: int = 3, **spec: Any) -> dict[str, int]:
        """Queue jobs of the null model; custom id → job id."""
        made = self.store.batches.ensure(batch, source="f", output=str(self.settings.output))
        values: dict[str, Any] = {
            "model": "null",
            "mode": "full",
            "steps": 2,
            "guidance": 5.0,
        } | spec
        new = [
            NewJob(
                spec=JobSpec(custom_id=name, prompt=f"prompt {name}", **values),
                mode=values["mode"],
                revision=model_entry("null").revisions[values["mode"]],
                gib=24,
            )
            for name in ids
        ]
        found = self.store.batches.insert(made, new, attempt_limit=limit).new
        return dict(zip(ids, (number for number, _ in found), strict=True))

    def claim(self, limit: int = 8, **wanted: Any) -> list[Claim]:
        """Claim without a loop."""
        return self.store.claims.claim(
            self.worker_id, self.offer, limit=limit, lease=self.settings.lease, begun=True, **wanted
        )

    def job(self, custom_id: str) -> Mapping[str, Any]:
        """A job's row."""
        return self.rows("SELECT * FROM jobs WHERE custom_id = :id", id=custom_id)[0]

    def states(self) -> dict[str, str]:
        """Custom id → state."""
        return {row["custom_id"]: row["state"] for row in self.rows("SELECT * FROM jobs")}

    def rows(self, query: str, **values: Any) -> list[Mapping[str, Any]]:
        """Rows of plain SQL."""
        with self.store.engine.connect() as connection:
            return [dict(row) for row in connection.execute(text(query), values).mappings()]

    def files(self) -> set[str]:
        """Every file under the output folder, by name."""
        return {path.name for path in self.settings.output.rglob("*") if path.is_file()}
