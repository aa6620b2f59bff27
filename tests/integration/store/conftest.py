"""Fixtures of the store's tests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import text

from jobs.domain.attempts import Claim, Success, Timings
from jobs.domain.batches import Artifact, Batch, Inserted, NewJob
from jobs.domain.memory import GIB
from jobs.domain.routing import Offer
from jobs.domain.spec import JobSpec
from jobs.domain.workers import WorkerCard
from jobs.store.store import Store


def new_job(custom_id: str, *, gib: int = 8, revision: str = "r1", **spec: Any) -> NewJob:
    """A job ready to be inserted; `mode` defaults to full."""
    cached_from = spec.pop("cached_from", None)
    artifacts = spec.pop("artifacts", ())
    own = {"prompt": f"a person waves {custom_id}", "mode": "full", "steps": 50, "guidance": 5.0}
    values = own | spec
    made = JobSpec(custom_id=custom_id, **values)
    return NewJob(made, made.mode, revision, gib, cached_from=cached_from, artifacts=artifacts)


@dataclass(frozen=True)
class Hand:
    """A registered worker."""

    id: int
    offer: Offer


@dataclass
class Farm:
    """A store with shorthands for tests."""

    store: Store
    batches: dict[str, Batch] = field(default_factory=dict)

    def batch(self, name: str = "night") -> Batch:
        """The batch with this name, created on first use."""
        if name not in self.batches:
            self.batches[name] = self.store.batches.ensure(name, source="f.csv", output="/out")
        return self.batches[name]

    def insert(self, *new: NewJob, batch: str = "night", limit: int = 3) -> Inserted:
        """Insert jobs into a batch."""
        return self.store.batches.insert(self.batch(batch), new, attempt_limit=limit)

    def jobs(self, n: int, *, batch: str = "night", limit: int = 3, **values: Any) -> list[int]:
        """Ids of `n` new, equal jobs."""
        start = len(self.rows("SELECT id FROM jobs"))
        new = [new_job(f"j{start + i}", **values) for i in range(n)]
        return [number for number, _ in self.insert(*new, batch=batch, limit=limit).new]

    def worker(self, name: str = "w", **offer: Any) -> Hand:
        """A registered live worker; by default it takes all jobs up to 24 GiB."""
        made = self.offer(name, **offer)
        return Hand(self.store.workers.register(self.card(made)), made)

    def offer(self, name: str = "w", **values: Any) -> Offer:
        """An offer; by default all modes, two models and 24 GiB."""
        gib = values.pop("gib", 24)
        return Offer(
            **{
                "name": name, "modes": ("full", "lite"), "models": ("tiny", "null"),
                "memory_bytes": gib * GIB, **values,
            }
        )  # fmt: skip

    def card(self, offer: Offer, **values: Any) -> WorkerCard:
        """A worker's card."""
        return WorkerCard(
            **{
                "offer": offer, "host": "rack1", "pid": 7, "device": "cuda:0", "card": "A10",
                "dtype": "float16", "nvlink": False, "queues": ("hymo.full.8",), **values,
            }
        )  # fmt: skip

    def claim(self, hand: Hand, **options: Any) -> list[Claim]:
        """Claim for a worker, by default one job for a minute, and begin to sample it unless
        `begin` is false."""
        begin = options.pop("begin", True)
        claims = self.store.claims.claim(hand.id, hand.offer, **{"lease": 60.0, **options})
        if begin:
            self.store.claims.begin(claims)
        return claims

    def succeed(self, claims: Iterable[Claim], **options: Any) -> dict[int, OSError | None]:
        """Finish jobs, with one file each."""
        results = [success(claim) for claim in claims]
        return self.store.completion.succeed(results, **{"publish": lambda _: None, **options})

    def rows(self, query: str, **values: Any) -> Sequence[Any]:
        """Rows of a query in plain SQL."""
        with self.store.engine.connect() as connection:
            return connection.execute(text(query), values).all()

    def job(self, number: int) -> Any:
        """One row of the jobs table."""
        return self.rows("SELECT * FROM jobs WHERE id = :id", id=number)[0]

    def tries(self, number: int) -> Sequence[Any]:
        """A job's attempts, in order."""
        return self.rows("SELECT * FROM attempts WHERE job_id = :id ORDER BY number", id=number)

    def files(self, number: int) -> list[str]:
        """Paths of a job's files."""
        query = "SELECT path FROM artifacts WHERE job_id = :id ORDER BY format"
        return [row.path for row in self.rows(query, id=number)]


def success(claim: Claim, path: str | None = None) -> Success:
    """A finished job with one file."""
    file = Artifact("npz", path or f"{claim.output}/{claim.job_id}.npz", 10, "ab" * 32)
    return Success(claim, Timings(load=1, encode=2, sample=3, decode=4, save=5), 1_000, (file,))


@pytest.fixture
def farm(timed: Store) -> Farm:
    """A farm on either database with a clock that the test sets."""
    return Farm(timed)


@pytest.fixture
def live_farm(store: Store) -> Farm:
    """A farm on either database with the database's clock."""
    return Farm(store)


@pytest.fixture
def make_job() -> Callable[..., NewJob]:
    """`new_job`, for tests that need a special job."""
    return new_job


@pytest.fixture
def finish() -> Callable[..., Success]:
    """`success`: a result with one file."""
    return success
