"""Turns: batches of one priority take turns in heading the packs of a worker.

The jobs of one priority and batch lie side by side in `ix_jobs_claim`. The search for the next turn
goes from one to the next by index, so that a batch whose jobs cannot be claimed (it is paused, or
its folder is away) costs a few seeks, regardless of how many jobs it has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    Integer,
    Select,
    String,
    Subquery,
    and_,
    bindparam,
    case,
    cast,
    func,
    literal,
    null,
    or_,
    select,
    true,
    union_all,
)

from jobs.domain.spec import MAX_PRIORITY
from jobs.store.queue.conditions import (
    DUE,
    HEALTHY,
    QUEUED,
    SAMPLING,
    SUSPECTS,
    UNAVOIDED,
    Claimant,
    open_to,
)
from jobs.store.queue.lanes import ORDER, Lane, Turn
from jobs.store.tables import CLAIM_ORDER, jobs

#: The columns of a pack's head.
HEAD = (
    jobs.c.id, jobs.c.model, jobs.c.mode, jobs.c.steps, jobs.c.revision, jobs.c.class_gib,
    jobs.c.frames, jobs.c.suspect, jobs.c.attempt, jobs.c.attempt_limit, jobs.c.returns,
    jobs.c.priority, jobs.c.batch_id,
)  # fmt: skip
_PRIORITY = bindparam("priority", type_=Integer)
_BATCH = bindparam("batch", type_=BigInteger)
_LOWEST = bindparam("lowest", type_=Integer)
_LANE = {
    "model": String,
    "mode": String,
    "gib": Integer,
    "frames": Integer,
    "revision": String,
}


def first_of(
    lanes: Sequence[Lane],
    *,
    claimant: Claimant,
    after: Turn | None = None,
    lowest: int = -MAX_PRIORITY,
    suspects: bool = False,
) -> tuple[Select[Any], Mapping[str, Any]]:
    """A statement and its parameters: `HEAD` of the first ready job in these lanes, in `ORDER`.

    Args:
        lanes: the lanes to read, at least one.
        claimant: who claims.
        after: if it is given, the batches after its own come first among those of its priority.
        lowest: the lowest priority that is read; that of `after` is not lower.
        suspects: read the suspects of these lanes instead of the other jobs.
    """
    values: dict[str, Any] = {**claimant.values(), "lowest": lowest}
    if after is not None:
        values |= {"priority": after.priority, "batch": after.batch_id}
    for number, wanted in enumerate(lanes):
        values |= wanted.values(number)
    return _first(len(lanes), claimant.limits, after is not None, suspects), values


@lru_cache(maxsize=64)
def _first(count: int, reach: tuple[bool, bool], turned: bool, suspects: bool) -> Select[Any]:
    lanes: list[Select[*tuple[Any, ...]]] = [
        select(*(bindparam(f"{name}_{i}", type_=kind).label(name) for name, kind in _LANE.items()))
        for i in range(count)
    ]
    begins = [_begin(literal(MAX_PRIORITY + 1), literal(0, BigInteger), _LOWEST)]
    if turned:
        begins.append(_begin(_PRIORITY, _BATCH, _PRIORITY))
    turns = _turns(union_all(*lanes).subquery(), union_all(*begins).subquery(), reach, suspects)
    later = and_(jobs.c.priority == _PRIORITY, jobs.c.batch_id > _BATCH)
    order = (ORDER[0], case((later, 0), else_=1), *ORDER[1:]) if turned else ORDER
    return select(*HEAD).join(turns, turns.c.ready == jobs.c.id).order_by(*order).limit(1)


def _begin(
    priority: ColumnElement[int], batch_id: ColumnElement[int], lowest: ColumnElement[int]
) -> Select[*tuple[Any, ...]]:
    """The turn after which lanes are read, and the lowest priority that is read."""
    return select(priority.label("priority"), batch_id.label("batch_id"), lowest.label("lowest"))


def _turns(lanes: Subquery, begins: Subquery, reach: tuple[bool, bool], suspects: bool) -> CTE:
    """The turns of each lane in order, up to the first with a ready job, whose id is `ready`."""
    unknown = cast(null(), BigInteger).label("ready")
    turns = (
        select(lanes, begins, unknown)
        .select_from(lanes.join(begins, true()))
        .cte("turns", recursive=True)
    )
    queued = select(jobs.c.id).where(
        QUEUED,
        SAMPLING,
        SUSPECTS if suspects else HEALTHY,
        jobs.c.model == turns.c.model,
        jobs.c.mode == turns.c.mode,
        jobs.c.class_gib == turns.c.gib,
    )
    first = queued.order_by(*CLAIM_ORDER).limit(1)
    following = jobs.alias("following")  # the first job of the next turn
    ready = first.where(
        jobs.c.priority == following.c.priority,
        jobs.c.batch_id == following.c.batch_id,
        or_(turns.c.frames.is_(None), jobs.c.frames <= turns.c.frames),
        or_(turns.c.revision.is_(None), jobs.c.revision == turns.c.revision),
        *DUE,
        UNAVOIDED,
    ).correlate(turns, following)
    hidden, newest = reach
    open_ = and_(*open_to(following.c.batch_id, hidden=hidden, newest=newest))
    return turns.union_all(
        select(
            *(turns.c[name] for name in _LANE),
            following.c.priority,
            following.c.batch_id,
            turns.c.lowest,
            case((open_, ready.scalar_subquery())),
        )
        .select_from(turns)
        .join(following, following.c.id == _next(first, turns))
        .where(turns.c.ready.is_(None))
    )


def _next(first: Select[Any], turns: CTE) -> ColumnElement[Any]:
    """The first job of the turn after one."""
    same = first.where(jobs.c.priority == turns.c.priority, jobs.c.batch_id > turns.c.batch_id)
    lower = first.where(jobs.c.priority < turns.c.priority, jobs.c.priority >= turns.c.lowest)
    found = (each.correlate(turns).scalar_subquery() for each in (same, lower))
    return func.coalesce(*found)
