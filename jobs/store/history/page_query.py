"""Queries that fetch a page of jobs in milliseconds from a table of a million.

If one condition selects few jobs, these are fetched by its index and sorted. Otherwise the index of
the sort key is scanned in order, and jobs that do not meet the conditions are skipped.
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

#: If a condition selects at most this many jobs, they are fetched by its index and sorted, which
#: costs 2–4 µs per job. The scan costs less unless the jobs of the page lie near its end.
FEW = 20_000
#: The same limit for orders by submission (id, created), whose scans are the cheapest.
FEW_IN_ORDER = 10_000
#: The same limit where the scan may skip many rows before the first match: jobs submitted at about
#: the same time are adjacent in the order of finish times, and failed jobs may have no peak memory.
FEW_APART = 50_000
#: The same limit for jobs that have not ended: few of them have measured values, so the scan would
#: find almost none.
FEW_WAITING = 250_000


def fetch(
    connection: Connection,
    wanted: JobFilter,
    order: Order,
    cursor: Cursor | None,
    limit: int,
) -> list[Row[*tuple[Any, ...]]]:
    """The first `limit` rows of `select_jobs` after the cursor."""
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
    """Jobs of several states, merged from one query per state.

    The index on (state, id) returns the jobs of each state by id. A single scan by id would pass
    the whole backlog of queued jobs before it reached the first ended job.
    """
    rows = [
        row
        for state in dict.fromkeys(wanted.states)
        for row in fetch(connection, replace(wanted, states=(state,)), order, cursor, limit)
    ]
    return sorted(rows, key=attrgetter("id"), reverse=order.descending)[:limit]


def _rarest(connection: Connection, wanted: JobFilter, order: Order) -> str | None:
    """The indexed condition that selects the fewest jobs; None if each selects too many."""
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
    """The selected jobs, fetched by the index of condition `begin`, then sorted."""
    conditions = {**wanted.opaque(), begin: wanted.conditions()[begin]}
    # Without MATERIALIZED the planner might inline the CTE, scan the sort key's index after all and
    # skip nearly every row.
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
    """The conditions, written so that SQLite scans the index of the sort key.

    PostgreSQL chooses well by its statistics. SQLite has none: it would use the index of any
    condition and sort all rows of it. Conditions are therefore opaque to its planner unless their
    index returns rows in the wanted order.
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
    """Queries whose results, concatenated, are the selected jobs in order."""
    key, number = order.expression, jobs.c.id
    query = select_jobs(key).where(*conditions)
    lacking = cursor is not None and cursor.value is None and order.nullable
    if not lacking and not _never(wanted, order):
        there = query if cursor is None else query.where(cursor.within(order, key, number))
        if order.nullable:
            there = there.where(key.is_not(None))
        yield there.order_by(*order.directed(key, number))
    if order.nullable:
        # Jobs whose key is null come last, by id.
        absent = query.where(key.is_(None))
        if cursor is not None and lacking:
            absent = absent.where(cursor.later(order, number))
        yield absent.order_by(*order.directed(number, number))


def _never(wanted: JobFilter, order: Order) -> bool:
    """Whether the key is null for every selected job, so that a scan for one would read all rows.

    A job that has not ended has no finish time, and one that did not succeed has no motion.
    """
    if order.key in OF_MOTION:
        return bool(wanted.states) and State.SUCCEEDED not in wanted.states
    return wanted.waiting_only and order.key in {"finished", "duration"}
