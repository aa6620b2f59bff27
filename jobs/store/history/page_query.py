"""How a page of jobs is fetched in milliseconds from a million.

Where one of the conditions holds for few jobs, those are fetched by its index and sorted. Else the
order's index is walked, and what the other conditions refuse is dropped on the way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, func, select

from jobs.domain.states import State
from jobs.store.history.jobfilter import INDEXED, JobFilter
from jobs.store.history.jobrow import select_jobs
from jobs.store.history.order import OF_MOTION, Cursor, Order
from jobs.store.tables import jobs

#: A condition that holds for at most so many jobs is a good place to begin. Fetching and sorting
#: them costs 2–4 µs each; the walk costs less unless what is wanted lies at its far end.
FEW = 20_000
#: The orders of submission: their walks are the cheapest.
FEW_IN_ORDER = 10_000
#: Where the walk may find nothing for long: jobs of a time lie together in the order of their end,
#: and failed jobs may have no peak at all.
FEW_APART = 50_000
#: Hardly a job that waits has been measured, so the walk would find next to nothing.
FEW_WAITING = 250_000


def fetch(
    connection: Connection,
    wanted: JobFilter,
    order: Order,
    cursor: Cursor | None,
    limit: int,
) -> list[Row[*tuple[Any, ...]]]:
    """The first `limit` rows (of `select_jobs`) after the cursor."""
    if order.key == "id" and len(set(wanted.states)) > 1:
        return _merged(connection, wanted, order, cursor, limit)
    begin = _rarest(connection, wanted, order)
    if begin is not None:
        return list(connection.execute(_sorted(begin, wanted, order, cursor, limit)))
    rows: list[Row[*tuple[Any, ...]]] = []
    conditions = _walkable(connection.dialect.name, wanted, order)
    for part in _walks(conditions, wanted, order, cursor):
        if len(rows) < limit:
            rows += connection.execute(part.limit(limit - len(rows)))
    return rows


def _merged(
    connection: Connection, wanted: JobFilter, order: Order, cursor: Cursor | None, limit: int
) -> list[Row[*tuple[Any, ...]]]:
    """Jobs of several states: each state's index holds them by id, and one walk over all states
    would pass a whole backlog of queued jobs to find the first that ended."""
    rows = [
        row
        for state in dict.fromkeys(wanted.states)
        for row in fetch(connection, replace(wanted, states=(state,)), order, cursor, limit)
    ]
    return sorted(rows, key=attrgetter("id"), reverse=order.descending)[:limit]


def _rarest(connection: Connection, wanted: JobFilter, order: Order) -> str | None:
    """The condition that, by its index alone, holds for the fewest jobs; None if for too many."""
    rarest, fewest = None, FEW_WAITING + 1
    for name, condition in wanted.conditions().items():
        if name in INDEXED:
            enough = min(_enough(name, wanted, order), fewest - 1)
            some = select(jobs.c.id).where(condition).limit(enough + 1)
            count = select(func.count()).select_from(some.subquery())
            found = connection.execute(count).scalar_one()
            if found <= enough:
                rarest, fewest = name, found
    return rarest


def _enough(name: str, wanted: JobFilter, order: Order) -> int:
    if order.key in {"id", "created"}:
        return FEW_IN_ORDER
    if name == "state" and wanted.waiting_only and order.key in {"queue", "peak"}:
        return FEW_WAITING
    return FEW_APART if name == "created" or order.key == "peak" else FEW


def _sorted(
    begin: str, wanted: JobFilter, order: Order, cursor: Cursor | None, limit: int
) -> Select[*tuple[Any, ...]]:
    """All that is wanted, fetched by the index of condition `begin`, then sorted."""
    conditions = {**wanted.opaque(), begin: wanted.conditions()[begin]}
    # Materialised: merged into the query, the planner might walk the order's index after all, and
    # drop nearly everything that it gives.
    few = (
        select(jobs.c.id, order.expression.label("key"))
        .where(*conditions.values())
        .cte("few")
        .prefix_with("MATERIALIZED")
    )
    first = select(few).order_by(*order.nulls_last(few.c.key, few.c.id)).limit(limit)
    if cursor is not None:
        first = first.where(cursor.after(order, few.c.key, few.c.id))
    page = first.subquery("page")
    query = select_jobs(page.c.key).join(page, page.c.id == jobs.c.id)
    return query.order_by(*order.nulls_last(page.c.key, page.c.id))


def _walkable(dialect: str, wanted: JobFilter, order: Order) -> list[ColumnElement[bool]]:
    """The conditions, hidden from the planner where their index would spoil the walk.

    PostgreSQL has statistics and needs no help. SQLite has none, prefers an index of any condition,
    and sorts all that it gives.
    """
    plain = wanted.conditions()
    if dialect != "sqlite":
        return list(plain.values())
    opaque = wanted.opaque()
    return [plain[name] if _keeps_order(name, wanted, order) else opaque[name] for name in plain]


def _keeps_order(name: str, wanted: JobFilter, order: Order) -> bool:
    if order.key == "id":
        return wanted.single(name)
    return (order.key, name) in {("finished", "batch"), ("created", "created")}


def _walks(
    conditions: Sequence[ColumnElement[bool]],
    wanted: JobFilter,
    order: Order,
    cursor: Cursor | None,
) -> Iterator[Select[*tuple[Any, ...]]]:
    """Queries that give, one after the other, the wanted jobs in order."""
    key, number = order.expression, jobs.c.id
    query = select_jobs(key).where(*conditions)
    lacking = cursor is not None and cursor.value is None and order.nullable
    if not lacking and not _never(wanted, order):
        there = query if cursor is None else query.where(cursor.within(order, key, number))
        if order.nullable:
            there = there.where(key.is_not(None))
        yield there.order_by(*order.directed(key, number))
    if order.nullable:
        # Jobs that lack the key come last, by id.
        absent = query.where(key.is_(None))
        if cursor is not None and lacking:
            absent = absent.where(cursor.later(order, number))
        yield absent.order_by(*order.directed(number, number))


def _never(wanted: JobFilter, order: Order) -> bool:
    """Whether no job wanted can have the key, so that looking for one would walk through all
    others: one that has not ended has no end, and one that did not succeed no motion."""
    if order.key in OF_MOTION:
        return bool(wanted.states) and State.SUCCEEDED not in wanted.states
    return wanted.waiting_only and order.key in {"finished", "duration"}
