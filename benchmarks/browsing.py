"""History on a million jobs: the first page of every filter and order, and whole processes."""

from __future__ import annotations

import time
from collections.abc import Iterator

from benchmarks.figure import Figure
from benchmarks.ground import DATABASES, Ground
from benchmarks.million import BEGIN, COMMON, RARE, SPAN, fill
from benchmarks.process import measured
from benchmarks.scale import Scale
from jobs.domain.states import Failure, State
from jobs.store.engine import connect
from jobs.store.history.jobfilter import JobFilter
from jobs.store.history.order import Order
from jobs.store.history.pages import HistoryStore

BENCH = "history"
#: Milliseconds for a first page in the store; seconds for a process.
PAGE_MS = 100
PROCESS_S = 0.6
#: Jobs per page, the default of `hymo history`.
LIMIT = 50

_LATE = BEGIN + SPAN * 0.97
_FILTERS = {
    "none": JobFilter(),
    "batch": JobFilter(batch_id=1),
    "state succeeded": JobFilter(states=(State.SUCCEEDED,)),
    "state failed": JobFilter(states=(State.FAILED,)),
    "state running": JobFilter(states=(State.RUNNING,)),
    "state failed, cancelled": JobFilter(states=(State.FAILED, State.CANCELLED)),
    "mode": JobFilter(modes=("lite",)),
    "card": JobFilter(cards=("Tesla V100-SXM2-32GB",)),
    "worker": JobFilter(workers=("gpu-3",)),
    "failure": JobFilter(failures=(Failure.NUMERICS,)),
    "since": JobFilter(since=_LATE),
    "until": JobFilter(until=BEGIN + SPAN * 0.1),
    "a common word": JobFilter(grep=COMMON),
    "batch and state": JobFilter(batch_id=1, states=(State.FAILED,)),
    "batch and a rare word": JobFilter(batch_id=1, grep=RARE),
    "card, mode and state": JobFilter(
        cards=("NVIDIA A10",), modes=("full",), states=(State.FAILED,)
    ),
    "worker and since": JobFilter(workers=("gpu-3",), since=BEGIN + SPAN * 0.85),
    "no such card": JobFilter(cards=("NVIDIA H100",)),
}
#: Orders that are measured with every filter.
_ORDERS = (
    "-id", "-created", "-finished", "-duration", "-queue", "-priority", "-peak", "-jitter",
    "duration",
)  # fmt: skip
#: A filter without an index, for which every prompt is read.
_SCANS = {"a rare word": JobFilter(grep=RARE), "no such word": JobFilter(grep="xylophone")}


def figures(ground: Ground, scale: Scale) -> Iterator[Figure]:
    """The slowest page of each order, over every filter, and the commands."""
    for database in DATABASES:
        url = ground.database(database)
        start = time.perf_counter()
        fill(url, scale.history)
        yield Figure(
            bench=BENCH, name=f"filling in {scale.history:_} jobs",
            value=time.perf_counter() - start, unit="s", database=database,
        )  # fmt: skip
        yield from _pages(url, database, scale.repeats)
        yield from _processes(ground, url, database, scale.repeats)


def _pages(url: str, database: str, repeats: int) -> Iterator[Figure]:
    engine = connect(url)
    store = HistoryStore(engine)
    for order in ("newest first", *_ORDERS):
        took = {
            name: page_ms(store, wanted, _order(order, wanted), repeats)
            for name, wanted in _FILTERS.items()
        }
        slowest = max(took, key=took.__getitem__)
        yield Figure(
            bench=BENCH, name=f"slowest page, {order}: {slowest}", value=took[slowest], unit="ms",
            database=database, at_most=PAGE_MS if order == "newest first" else None,
        )  # fmt: skip
    for name, wanted in _SCANS.items():
        scan = page_ms(store, wanted, Order(), min(repeats, 2))
        yield Figure(bench=BENCH, name=f"scan: {name}", value=scan, unit="ms", database=database)
    engine.dispose()


def _order(text: str, wanted: JobFilter) -> Order:
    """The order with this name; newest first is the default of `hymo history`."""
    if text != "newest first":
        return Order.parse(text)
    return Order("id" if wanted.until is None else "created")


def page_ms(store: HistoryStore, wanted: JobFilter, order: Order, repeats: int) -> float:
    """Milliseconds of the first page, best of several runs."""
    took = []
    for _ in range(repeats):
        start = time.perf_counter()
        store.page(wanted, order, limit=LIMIT)
        took.append(time.perf_counter() - start)
    return min(took) * 1000


def _processes(ground: Ground, url: str, database: str, repeats: int) -> Iterator[Figure]:
    commands = {
        "hymo history": ("history",),
        "hymo history --batch --state --json": (
            "history", "--batch", "night-1", "--state", "failed", "--json",
        ),
    }  # fmt: skip
    for name, words in commands.items():
        took = [measured(ground.hymo(*words), ground.environ(url)).seconds for _ in range(repeats)]
        yield Figure(
            bench=BENCH, name=name, value=min(took), unit="s", database=database,
            at_most=PROCESS_S,
        )  # fmt: skip
