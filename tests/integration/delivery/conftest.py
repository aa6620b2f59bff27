"""Fixtures of the delivery's tests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from jobs.delivery.publisher import Publisher
from jobs.delivery.reconciler import Reconciler
from jobs.domain.attempts import Claim
from jobs.domain.batches import Batch, NewJob
from jobs.domain.memory import GIB, queue_name
from jobs.domain.routing import Offer
from jobs.domain.spec import JobSpec
from jobs.domain.workers import WorkerCard
from jobs.settings import Settings
from jobs.store.store import Store
from tests.conftest import Ticker

OFFER = Offer(name="w", modes=("full",), models=("tiny",), memory_bytes=24 * GIB)
QUEUE = queue_name("full", 8)
SPEC = JobSpec(custom_id="j", prompt="walk", mode="full", steps=50, guidance=5.0)


@dataclass
class Scene:
    """A batch of jobs, a worker, a reconciler, and the clocks that the test sets.

    Attributes:
        clock: the database's clock.
        own: the reconcilers' own, monotonic clock.
    """

    store: Store
    publisher: Publisher
    settings: Settings
    clock: Ticker
    own: Ticker
    client: Any
    batch: Batch
    worker_id: int

    def __post_init__(self) -> None:
        self.reconciler = self.another()

    def another(self, **settings: Any) -> Reconciler:
        """The reconciler of another process."""
        return Reconciler(
            store=self.store,
            publisher=self.publisher,
            settings=replace(self.settings, **settings),
            clock=self.own,
        )

    def tick(self, seconds: float) -> None:
        """Let time pass by both clocks."""
        self.clock.tick(seconds)
        self.own.tick(seconds)

    def live(self, seconds: float, *reconcilers: Reconciler) -> None:
        """Let time pass, with all that the reconcilers do meanwhile."""
        for _ in range(round(seconds)):
            self.tick(1)
            for each in reconcilers or (self.reconciler,):
                if each.due:
                    each.round()

    def add(self, n: int) -> list[int]:
        new = [NewJob(replace(SPEC, custom_id=f"j{number}"), "full", "r", 8) for number in range(n)]
        made = self.store.batches.insert(self.batch, new, attempt_limit=2)
        return [number for number, _ in made.new]

    def claim(self, limit: int = 1) -> list[Claim]:
        """Claim for the worker and begin to sample."""
        claims = self.store.claims.claim(self.worker_id, OFFER, limit=limit, lease=90)
        self.store.claims.begin(claims)
        return claims

    def depth(self) -> int:
        return int(self.client.llen(QUEUE))


@pytest.fixture
def scene(timed: Store, clock: Ticker, redis_server: Any, tmp_path: Path) -> Iterator[Scene]:
    environ = {"HYMO_HOME": str(tmp_path), "HYMO_BROKER_URL": redis_server.url}
    settings = Settings.read(environ)
    publisher = Publisher(settings)
    card = WorkerCard(
        offer=OFFER, host="h", pid=1, device="cpu", card="CPU", dtype="float32", nvlink=False,
        queues=(QUEUE,),
    )  # fmt: skip
    yield Scene(
        store=timed,
        publisher=publisher,
        settings=settings,
        clock=clock,
        own=Ticker(0.0),
        client=redis_server.client(),
        batch=timed.batches.ensure("night", source="f", output=str(tmp_path / "out")),
        worker_id=timed.workers.register(card),
    )
    publisher.close()
