"""Lanes: the queued jobs of one model, mode and class, in the order in which they are taken.

The partial index `ix_jobs_claim` holds every lane in its order. The best job of all is found by
looking at the head of each lane that a worker may use: a few index seeks, however deep the queue
is and whatever stands in it that the worker cannot take.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    false,
    func,
    literal_column,
    or_,
    select,
    union_all,
)

from jobs.memory import GIB
from jobs.routing import Offer
from jobs.states import State
from jobs.tables import batches, jobs

#: The order in which jobs are taken: priority, then class (biggest first), then age.
ORDER: tuple[ColumnElement[Any], ...] = (
    jobs.c.priority.desc(),
    jobs.c.class_gib.desc(),
    jobs.c.id,
)

#: Written as in the partial indexes: a planner must see that they apply, so this is no parameter.
QUEUED: ColumnElement[bool] = jobs.c.state == literal_column(f"'{State.QUEUED}'")


def ready(now: float) -> tuple[Any, ...]:
    """Conditions for a job to be taken by anybody at `now`."""
    return (
        QUEUED,
        jobs.c.not_before <= now,
        jobs.c.attempt < jobs.c.attempt_limit,
        jobs.c.cancel_requested.is_(False),
        jobs.c.batch_id.not_in(select(batches.c.id).where(batches.c.paused.is_(True))),
    )


def suits(offer: Offer) -> ColumnElement[bool]:
    """Condition for a job to be taken by a worker with this offer (`jobs.routing.fits` in SQL)."""
    return and_(
        jobs.c.model.in_(offer.models),
        jobs.c.class_gib <= offer.memory_bytes // GIB,
        or_(false(), *(and_(jobs.c.mode == mode, *short(offer, mode)) for mode in offer.modes)),
    )


def short(offer: Offer, mode: str) -> list[ColumnElement[bool]]:
    """Condition that a motion is no longer than the offer allows in `mode`; none without limit."""
    limit = offer.max_frames.get(mode)
    return [] if limit is None else [jobs.c.frames <= limit]


def classes(model: str, mode: str, most: int) -> Select[int]:
    """The classes (GiB, at most `most`) in which jobs of a model and mode are queued.

    A loose index scan: one seek a class, not one step a job.
    """
    lane = and_(QUEUED, jobs.c.model == model, jobs.c.mode == mode)
    first = select(func.max(jobs.c.class_gib).label("gib")).where(lane, jobs.c.class_gib <= most)
    found = first.cte("classes", recursive=True)
    smaller = (
        select(func.max(jobs.c.class_gib))
        .where(lane, jobs.c.class_gib < found.c.gib)
        .scalar_subquery()
    )
    found = found.union_all(select(smaller).where(found.c.gib.is_not(None)))
    return select(found.c.gib).where(found.c.gib.is_not(None))


def heads(
    lanes: Sequence[tuple[str, str, int]], n: int, offer: Offer, *conditions: Any
) -> Select[int]:
    """Ids of the best `n` jobs over these (model, mode, class) lanes, best first."""
    parts = [
        select(jobs.c.id, jobs.c.priority, jobs.c.class_gib)
        .where(
            jobs.c.model == model,
            jobs.c.mode == mode,
            jobs.c.class_gib == gib,
            *short(offer, mode),
            *conditions,
        )
        .order_by(jobs.c.priority.desc(), jobs.c.id)
        .limit(n)
        for model, mode, gib in lanes
    ]
    # SQLite takes no ORDER BY inside the parts of a compound, only inside a subquery.
    wrapped = [select(part.subquery(f"lane_{i}")) for i, part in enumerate(parts)]
    best = union_all(*wrapped).subquery("best")
    return (
        select(best.c.id)
        .order_by(best.c.priority.desc(), best.c.class_gib.desc(), best.c.id)
        .limit(n)
    )
