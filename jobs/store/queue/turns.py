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
    Integer,
    Select,
    String,
    Subquery,
    and_,
    bindparam,
    case,
    cast,
    func,
    null,
    select,
    union_all,
)

from jobs.domain.spec import MAX_PRIORITY
from jobs.store.queue.conditions import (
    HEALTHY,
    QUEUED,
    SAMPLING,
    SUSPECTS,
    Claimant,
    conditions,
    reached,
    unpaused,
)
from jobs.store.queue.lanes import ORDER, Lane, Turn
from jobs.store.tables import CLAIM_ORDER, jobs

#: The columns of a pack's head.
HEAD = (
    jobs.c.id, jobs.c.model, jobs.c.mode, jobs.c.steps, jobs.c.revision, jobs.c.class_gib,
    jobs.c.frames, jobs.c.suspect, jobs.c.attempt, jobs.c.attempt_limit, jobs.c.returns,
    jobs.c.priority, jobs.c.batch_id,
)  # fmt: skip
_LANE_TYPES = {
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
    suspects: bool = False,
) -> tuple[Select[Any], Mapping[str, Any]]:
    """A statement and its parameters: `HEAD` of the first ready job in these lanes, in `ORDER`.

    Args:
        lanes: the lanes to read, at least one.
        claimant: who claims.
        after: if it is given, only jobs of its priority and of later batches are selected.
        suspects: read the suspects of these lanes instead of the other jobs.
    """
    begin = Turn(MAX_PRIORITY + 1, 0) if after is None else after
    lowest = -MAX_PRIORITY if after is None else after.priority
    values = {"priority": begin.priority, "batch": begin.batch_id, "lowest": lowest}
    for number, wanted in enumerate(lanes):
        values |= wanted.values(number)
    return _first(len(lanes), claimant.limits, suspects), values | claimant.values()


@lru_cache(maxsize=64)
def _first(lanes: int, reach: tuple[bool, bool], suspects: bool) -> Select[Any]:
    parts: list[Select[*tuple[Any, ...]]] = [
        select(
            *(
                bindparam(f"{name}_{i}", type_=kind).label(name)
                for name, kind in _LANE_TYPES.items()
            )
        )
        for i in range(lanes)
    ]
    given = (union_all(*parts) if lanes > 1 else parts[0]).subquery("lanes")
    turns = _turns(given, reach, suspects)
    return select(*HEAD).join(turns, turns.c.ready == jobs.c.id).order_by(*ORDER).limit(1)


def _turns(lanes: Subquery, reach: tuple[bool, bool], suspects: bool) -> CTE:
    """The turns of each lane in order, up to the first with a ready job, whose id is `ready`."""
    own = tuple(lanes.c[name] for name in _LANE_TYPES)
    begin = select(
        *own,
        bindparam("priority", type_=Integer).label("priority"),
        bindparam("batch", type_=BigInteger).label("batch_id"),
        cast(null(), BigInteger).label("ready"),
    )
    turns = begin.cte("turns", recursive=True)
    queued = select(jobs.c.id).where(
        QUEUED,
        SAMPLING,
        SUSPECTS if suspects else HEALTHY,
        jobs.c.model == turns.c.model,
        jobs.c.mode == turns.c.mode,
        jobs.c.class_gib == turns.c.gib,
    )
    following = jobs.alias("following")  # the first job of the next turn
    ready = (
        queued.where(
            jobs.c.priority == following.c.priority,
            jobs.c.batch_id == following.c.batch_id,
            (turns.c.frames.is_(None)) | (jobs.c.frames <= turns.c.frames),
            (turns.c.revision.is_(None)) | (jobs.c.revision == turns.c.revision),
            *conditions(*reach),
        )
        .order_by(*CLAIM_ORDER)
        .limit(1)
        .correlate(turns, following)
        .scalar_subquery()
    )
    hidden, newest = reach
    batch = following.c.batch_id
    open_ = and_(unpaused(batch), *reached(batch, hidden=hidden, newest=newest))
    return turns.union_all(
        select(
            *(turns.c[name] for name in _LANE_TYPES),
            following.c.priority,
            batch,
            case((open_, ready)),
        )
        .select_from(turns)
        .join(following, following.c.id == _next(queued, turns))
        .where(turns.c.ready.is_(None))
    )


def _next(queued: Select[Any], turns: CTE) -> Any:
    """The first job of the turn after one."""
    first = queued.order_by(*CLAIM_ORDER).limit(1).correlate(turns)
    same = first.where(jobs.c.priority == turns.c.priority, jobs.c.batch_id > turns.c.batch_id)
    lower = first.where(
        jobs.c.priority < turns.c.priority, jobs.c.priority >= bindparam("lowest", type_=Integer)
    )
    return func.coalesce(same.scalar_subquery(), lower.scalar_subquery())
