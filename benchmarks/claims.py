"""Claims with a million queued jobs: what the next pack costs, whoever's turn it is."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

from sqlalchemy import Engine, text

from benchmarks.figure import Figure
from benchmarks.ground import DATABASES, Ground
from benchmarks.scale import Scale
from jobs.domain.memory import GIB
from jobs.domain.routing import Offer, Reach
from jobs.domain.workers import WorkerCard
from jobs.store.engine import connect
from jobs.store.store import Store
from jobs.store.tables import jobs

BENCH = "claims"
#: Jobs per pack.
PACK = 16
#: Most batches of a queue that has many, and fewest jobs of the batch beside a huge one.
MANY = 1000
FEW = 1000

_OFFER = Offer("bench", ("full", "lite"), ("tiny",), 24 * GIB)
#: As workers claim: only batches whose folder they have looked at.
_REACH = Reach(newest=10**9)
_NUMBERS = {
    "sqlite": """(WITH RECURSIVE numbers(n) AS (
        SELECT {first} UNION ALL SELECT n + 1 FROM numbers WHERE n < {last}) SELECT n FROM numbers)
    """,
    "postgresql": "generate_series({first}, {last}) AS n",
}
#: Jobs of two modes and four classes, of which the worker takes three.
_JOBS = """
    INSERT INTO jobs (batch_id, custom_id, seed, prompt, frames, requested_mode, mode, steps,
        guidance, priority, formats, model, revision, metadata, row_hash, content_hash, class_gib,
        state, attempt_limit, not_before, created_at, queued_at, published_at)
    SELECT {batch}, 'm' || n, 0, 'a person walks', 100, 'auto',
        CASE WHEN n % 3 = 0 THEN 'lite' ELSE 'full' END, 50, 5.0, 0, '["npz"]', 'tiny', 'r1',
        '{{}}', 'h', 'h' || n, 8 + 8 * (n % 4), 'queued', 3, 0, 0, 0, 1.0
    FROM {numbers}
"""


def figures(ground: Ground, scale: Scale) -> Iterator[Figure]:
    """The time of a claim with queues of several shapes."""
    count = scale.history
    for database in DATABASES:
        for batches, shapes in ((1, _one), (min(MANY, count // 10), _many)):
            url = ground.database(database)
            engine = connect(url)
            _fill(engine, count, batches)
            with Store.open(url) as store:
                for name in shapes(engine, count):
                    yield Figure(
                        bench=BENCH, name=name, value=_claim_ms(store, 8 * scale.repeats),
                        unit="ms", database=database,
                    )  # fmt: skip
            engine.dispose()


def _one(engine: Engine, count: int) -> Iterator[str]:
    yield f"a batch of {count:_} jobs"
    _insert(engine, count + 1, count + FEW, "2")
    yield f"a batch of {FEW} beside one of {count:_}"


def _many(engine: Engine, count: int) -> Iterator[str]:
    last = min(MANY, count // 10)
    yield f"{last:_} batches of {count // last:_}"
    _pause(engine, f"id < {last}")
    yield f"the last of {last:_} batches, all others paused"
    _pause(engine, "id > 1")
    yield f"the first of {last:_} batches, all others paused"


def _claim_ms(store: Store, claims: int) -> float:
    """The median of some claims of one worker, in milliseconds."""
    card = WorkerCard(_OFFER, "rack", 1, "cuda:0", "A10", "float16", False, ())
    worker, took = store.workers.register(card), []
    turns: dict[int, int] = {}
    for _ in range(claims):
        begun = time.perf_counter()
        pack = store.claims.claim(
            worker, _OFFER, limit=PACK, lease=3600.0, after=turns, reach=_REACH
        )
        took.append(time.perf_counter() - begun)
        turns |= {claim.priority: claim.batch_id for claim in pack[:1]}
    return 1000 * statistics.median(took)


def _fill(engine: Engine, count: int, batches: int) -> None:
    """Queue `count` jobs, one batch after the other, with the indexes dropped meanwhile."""
    indexes = sorted(jobs.indexes, key=lambda index: str(index.name))
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL statement_timeout = 0"))
        for number in range(1, max(batches, 2) + 1):
            connection.execute(
                text(
                    "INSERT INTO batches (id, name, source, output, created_at)"
                    " VALUES (:id, :name, 'f', '/o', 0)"
                ),
                {"id": number, "name": f"b{number}"},
            )
        for index in indexes:
            index.drop(connection)
    _insert(engine, 1, count, f"1 + (n - 1) / {count // batches}")
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL statement_timeout = 0"))
        for index in indexes:
            index.create(connection)
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))


def _insert(engine: Engine, first: int, last: int, batch: str) -> None:
    numbers = _NUMBERS[engine.dialect.name].format(first=first, last=last)
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text(_JOBS.format(batch=batch, numbers=numbers)))


def _pause(engine: Engine, which: str) -> None:
    """Pause these batches and no others."""
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE batches SET paused = ({which})"))  # noqa: S608  # our own
