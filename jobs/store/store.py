"""The store: all parts, sharing one engine."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from sqlalchemy import Engine

from jobs.domain.clock import Clock
from jobs.store.batches import BatchStore
from jobs.store.duties import DutyStore
from jobs.store.engine import connect
from jobs.store.faults import is_full
from jobs.store.history.backlog import BacklogStore
from jobs.store.history.features import FeatureStore
from jobs.store.history.overhead import OverheadStore
from jobs.store.history.pages import HistoryStore
from jobs.store.history.stats import StatsStore
from jobs.store.manifest import ManifestStore
from jobs.store.pruning import PruneStore
from jobs.store.queue.claims import ClaimStore
from jobs.store.queue.completion import CompletionStore
from jobs.store.queue.control import ControlStore
from jobs.store.queue.delivery import DeliveryStore
from jobs.store.queue.encoding import EncodingStore
from jobs.store.queue.leases import LeaseStore
from jobs.store.workers import WorkerStore


class Store:
    """Access to the database. All reads and writes go through its parts.

    The store is thread-safe: each operation takes its own connection from the pool.

    Args:
        engine: an engine from `jobs.store.engine.connect`; closed with the store.
        clock: None for the database's own clock; tests pass their own.
    """

    def __init__(self, engine: Engine, *, clock: Clock | None = None) -> None:
        self.engine = engine
        self.batches = BatchStore(engine, clock=clock)
        self.manifests = ManifestStore(engine, clock=clock)
        self.pruning = PruneStore(engine, clock=clock)
        self.claims = ClaimStore(engine, clock=clock)
        self.leases = LeaseStore(engine, clock=clock)
        self.encoding = EncodingStore(engine, clock=clock)
        self.completion = CompletionStore(engine, clock=clock)
        self.control = ControlStore(engine, clock=clock)
        self.delivery = DeliveryStore(engine, clock=clock)
        self.workers = WorkerStore(engine, clock=clock)
        self.duties = DutyStore(engine, clock=clock)
        self.history = HistoryStore(engine, clock=clock)
        self.backlog = BacklogStore(engine, clock=clock)
        self.stats = StatsStore(engine, clock=clock)
        self.overhead = OverheadStore(engine, clock=clock)
        self.features = FeatureStore(engine, clock=clock)

    @classmethod
    def open(cls, url: str, *, clock: Clock | None = None, timeout: float = 20.0) -> Self:
        """Open the store at `url`; raises like `jobs.store.engine.connect`.

        The schema is not checked: see `jobs.store.schema.require_current`.
        """
        return cls(connect(url, timeout=timeout), clock=clock)

    def time(self) -> float:
        """The current time of the clock that all stored times come from: the database's."""
        return self.batches.time()

    def require_room(self) -> None:
        """Raise `UnreachableError` if the disk of the SQLite file is full.

        Reads are answered all the same, and so are writes while the log has pages to use again. So
        only a disk without room is tested, by writing one page.
        """
        if is_full(self.engine):
            with self.batches.write() as connection:
                found = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
                connection.exec_driver_sql(f"PRAGMA user_version = {found}")

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
