"""The indexes that SQLite uses: a page must not sort a large table."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import text

from jobs.domain.states import Failure, State
from jobs.store.history import page_query
from jobs.store.history.jobfilter import JobFilter
from jobs.store.history.order import KEYS, Cursor, Order
from jobs.store.store import Store


@pytest.fixture
def sqlite(sqlite_url: str) -> Iterator[Store]:
    with Store.open(sqlite_url) as store:
        yield store


def plans(store: Store, wanted: JobFilter, order: Order, cursor: Cursor | None) -> list[str]:
    found = []
    with store.engine.connect() as connection:
        for query in page_query._walks("sqlite", wanted, order, cursor):
            sql = query.limit(51).compile(store.engine, compile_kwargs={"literal_binds": True})
            rows = connection.execute(text(f"EXPLAIN QUERY PLAN {sql}"))
            found.append("; ".join(row.detail for row in rows))
    return found


def test_every_order_comes_out_of_an_index(sqlite: Store) -> None:
    for order in (Order(key, descending) for key in KEYS for descending in (True, False)):
        for cursor in (None, Cursor(5, 9)):
            for wanted in (
                JobFilter(),
                JobFilter(states=(State.SUCCEEDED, State.FAILED)),
                JobFilter(batch_id=1, states=(State.SUCCEEDED,)),
                JobFilter(cards=("A10",), modes=("lite",), grep="walks"),
                JobFilter(workers=("w",), failures=(Failure.LOST, Failure.ERROR), since=1.0),
            ):
                if order.key == "id" and len(wanted.states) > 1:
                    continue  # sorted, but of each state no more than a page is read
                for plan in plans(sqlite, wanted, order, cursor):
                    assert "TEMP B-TREE" not in plan, (order, wanted, plan)


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (JobFilter(batch_id=1), "ix_jobs_batch_id_id"),
        (JobFilter(batch_id=1, states=(State.FAILED,)), "ix_jobs_batch_id_state"),
        (JobFilter(states=(State.FAILED,)), "ix_jobs_state_id"),
        (JobFilter(cards=("A10",)), "ix_jobs_card_id"),
        (JobFilter(workers=("w",)), "ix_jobs_worker_name_id"),
        (JobFilter(failures=(Failure.LOST,)), "ix_jobs_failure_id"),
    ],
)
def test_newest_first_uses_the_index_of_the_filter(
    sqlite: Store, wanted: JobFilter, index: str
) -> None:
    (plan,) = plans(sqlite, wanted, Order(), None)
    assert f"INDEX {index} " in plan
