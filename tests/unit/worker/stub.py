"""An engine whose every phase a test can spoil, and a bench to run it at."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from jobs.domain.attempts import Claim, Features, Quality, Run
from jobs.domain.batches import NewJob
from jobs.domain.catalog import model_entry
from jobs.domain.memory import GIB
from jobs.domain.routing import Offer
from jobs.domain.spec import JobSpec
from jobs.domain.workers import WorkerCard
from jobs.settings import Settings
from jobs.store.store import Store
from worker.engine.pool import ModelPool, Slot
from worker.execution.database_retry import DatabaseRetry
from worker.execution.lease_keeper import LeaseKeeper
from worker.execution.progress_stamp import ProgressStamp
from worker.loop import WorkLoop

if TYPE_CHECKING:
    from tests.conftest import Ticker

OFFER = Offer(name="w", modes=("full", "lite"), models=("null",), memory_bytes=1024 * GIB)


def _nothing(_phase: str, _pack: Sequence[Claim]) -> None:
    pass


@dataclass
class StubEngine:
    """Goes through the phases, writes small files, and notes the packs it was given.

    `sabotage` is called with the phase (encode, step, decode, measure, features, write) and its
    claims, and may raise. A motion's jitter is the length of its prompt.
    """

    model: str = "null"
    mode: str = "full"
    sabotage: Callable[[str, Sequence[Claim]], None] = _nothing
    packs: list[list[str]] = field(default_factory=list)
    steps: int = 0
    pack: Sequence[Claim] = ()
    closed: bool = False

    def encode(self, claims: Sequence[Claim]) -> Sequence[Any]:
        self.pack = tuple(claims)
        self.packs.append([claim.custom_id for claim in claims])
        self.sabotage("encode", claims)
        return [claim.prompt for claim in claims]

    def sample(
        self, claims: Sequence[Claim], texts: Sequence[Any], on_step: Callable[[int, int], None]
    ) -> list[Any]:
        for step in range(1, claims[0].steps + 1):
            self.steps += 1
            self.sabotage("step", claims)
            on_step(step, claims[0].steps)
        return list(texts)

    def decode(self, latents: Sequence[Any]) -> list[Any]:
        self.sabotage("decode", self.pack)
        return list(latents)

    def measure(self, motions: Sequence[Any]) -> Sequence[Quality]:
        self.sabotage("measure", self.pack)
        return [Quality(1.0, 2.0, float(len(motion))) for motion in motions]

    def features(self, motions: Sequence[Any]) -> Sequence[Features | None]:
        self.sabotage("features", self.pack)
        return [Features("stub-1", len(motion), motion.encode()) for motion in motions]

    def write(self, claim: Claim, motion: Any, format_: str, path: Path) -> bool:
        path.write_text(f"{format_} of {motion}")
        self.sabotage("write", (claim,))
        return True

    def blank(self) -> Any:
        return ""

    def runs(self, claims: Sequence[Claim]) -> Sequence[Run]:
        return [Run(dtype="float64")] * len(claims)

    def start_measuring(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True

    def peak_memory(self) -> int:
        return 7 * GIB


@dataclass
class Bench:
    """A store with a worker's shift at it: everything of a worker process but the process."""

    store: Store
    clock: Ticker
    folder: Path
    engine: StubEngine = field(default_factory=StubEngine)
    offer: Offer = OFFER
    settings: Settings = field(init=False)
    ended: list[Sequence[Claim]] = field(default_factory=list)
    beats: threading.Event = field(default_factory=threading.Event)
    draining: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.settings = Settings(
            home=self.folder, output=self.folder / "out", database_url="", pack=8
        )
        self.worker_id = self.register()
        self.stamp = ProgressStamp(self.clock)
        self.keeper = self.keep(self.settings)

    def register(self) -> int:
        """A worker's id."""
        card = WorkerCard(
            offer=self.offer, host="h", pid=None, device="cpu", card="CPU", dtype="float32",
            nvlink=False, queues=(),
        )  # fmt: skip
        return self.store.workers.register(card)

    def keep(self, settings: Settings) -> LeaseKeeper:
        """A lease keeper, not started."""
        return LeaseKeeper(
            store=self.store,
            worker_id=self.worker_id,
            settings=settings,
            stamp=self.stamp,
            expire=self.ended.append,
            heartbeat=self.beats.set,
        )

    def loaded(self, seconds: float) -> Callable[[], StubEngine]:
        """Loads the engine in so many seconds."""

        def load() -> StubEngine:
            self.clock.tick(seconds)
            return self.engine

        return load

    def shift(self, *, settings: Settings | None = None, load: float = 0.0) -> WorkLoop:
        """The worker's shift."""
        key = ("null", "full")
        return WorkLoop(
            store=self.store,
            worker_id=self.worker_id,
            offer=self.offer,
            pool=ModelPool(
                engines={key: Slot(self.loaded(load))},
                budget=self.offer.memory_bytes,
                clock=self.clock,
            ),
            keeper=self.keeper,
            stamp=self.stamp,
            settings=settings or self.settings,
            outage=DatabaseRetry(longest=60, clock=self.clock, sleep=self.clock.tick),
            draining=self.draining,
            device_pack=8,
            clock=self.clock,
        )

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
        """Claim without a shift."""
        return self.store.claims.claim(
            self.worker_id, self.offer, limit=limit, lease=self.settings.lease, **wanted
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
