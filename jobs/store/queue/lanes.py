"""Lanes: the queued jobs of one model, mode and class, in the order in which they are claimed.

The partial index `ix_jobs_claim` stores every lane in this order. The best jobs are found by
reading the beginning of each lane that a worker may use. This takes a few index seeks, regardless
of how many jobs are queued and how many of them the worker cannot run.

Statements are built once and take their values as parameters, because building a statement with
SQLAlchemy costs more than SQLite needs to run it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Integer,
    Select,
    String,
    bindparam,
    func,
    select,
    union_all,
)

from jobs.domain.memory import GIB
from jobs.domain.routing import Offer, Reach
from jobs.store.base import Found
from jobs.store.queue.conditions import (
    DUE,
    HEALTHY,
    QUEUED,
    SAMPLING,
    SUSPECTS,
    UNAVOIDED,
    Claimant,
    conditions,
    opaque,
)
from jobs.store.tables import CLAIM_ORDER, jobs

#: The order of jobs of several lanes: that of one lane (`CLAIM_ORDER`), but within a batch the
#: largest class comes first.
ORDER: tuple[ColumnElement[Any], ...] = (
    jobs.c.priority.desc(),
    jobs.c.batch_id,
    jobs.c.class_gib.desc(),
    jobs.c.id,
)


@dataclass(frozen=True)
class Lane:
    """Queued jobs of one model, mode and class.

    Attributes:
        frames: maximum length of the motions; None: no limit.
        revision: revision of the weights; None: any.
    """

    model: str
    mode: str
    gib: int
    frames: int | None
    revision: str | None = None

    def values(self, number: int) -> dict[str, Any]:
        """The parameters of a statement that reads this lane as its `number`-th."""
        return {f"{each.name}_{number}": getattr(self, each.name) for each in fields(self)}


def lanes_of(
    connection: Connection, offer: Offer, reach: Reach, *, suspects: bool = False
) -> Sequence[Lane]:
    """The lanes that contain jobs which this offer can run, within reach.

    A model and mode has none if the offer lacks its weights, even if it has the mode for other
    models.
    """
    own = offer.revisions
    kinds = [
        (model, mode)
        for model in offer.models
        for mode in offer.modes
        if (model, mode) not in reach.without and mode in own.get(model, offer.modes)
    ]
    if not kinds:
        return ()
    values: dict[str, Any] = {"most": offer.memory_bytes // GIB}
    for number, (model, mode) in enumerate(kinds):
        values |= {f"model_{number}": model, f"mode_{number}": mode}
    return [
        Lane(
            model=row.model,
            mode=row.mode,
            gib=row.gib,
            frames=offer.max_frames.get(row.mode),
            revision=own.get(row.model, {}).get(row.mode),
        )
        for row in connection.execute(_classes(len(kinds), suspects), values)
    ]


@lru_cache(maxsize=64)
def _classes(kinds: int, suspects: bool) -> Select[Any]:
    """The classes (GiB, at most `most`) in which jobs of models and modes are queued.

    This is a loose index scan: it takes one seek per class instead of one step per job.
    """
    begins = [
        select(
            bindparam(f"model_{number}", type_=String).label("model"),
            bindparam(f"mode_{number}", type_=String).label("mode"),
            (bindparam("most", type_=Integer) + 1).label("gib"),
        )
        for number in range(kinds)
    ]
    found = select(union_all(*begins).subquery("kinds")).cte("classes", recursive=True)
    smaller = select(func.max(jobs.c.class_gib)).where(
        QUEUED,
        SAMPLING,
        SUSPECTS if suspects else HEALTHY,
        jobs.c.model == found.c.model,
        jobs.c.mode == found.c.mode,
        jobs.c.class_gib < found.c.gib,
    )
    found = found.union_all(
        select(found.c.model, found.c.mode, smaller.scalar_subquery()).where(
            found.c.gib.is_not(None)
        )
    )
    return select(found).where(found.c.gib <= bindparam("most", type_=Integer))


@dataclass(frozen=True)
class Turn:
    """A priority and a batch: in every lane, their jobs lie side by side."""

    priority: int
    batch_id: int


def best(
    lanes: Sequence[Lane],
    n: int,
    *,
    claimant: Claimant,
    turn: Turn | None = None,
    head: Found | None = None,
    lowest: int | None = None,
    suspects: bool = False,
) -> tuple[Select[int], Mapping[str, Any]]:
    """A statement and its parameters: ids of the first `n` ready jobs in these lanes, in `ORDER`.

    Args:
        lanes: the lanes to read, at least one.
        n: the maximum number of ids.
        claimant: who claims.
        turn: if it is given, only its jobs are selected; the claimant reaches its batch.
        head: if it is given, only jobs with its steps and revision that may share a pack are
            selected: suspects as `jobs.store.queue.suspects.pack_size` says.
        lowest: if it is given, only jobs of this priority or a higher one are selected.
        suspects: read the suspects of these lanes instead of the other jobs.
    """
    values: dict[str, Any] = {"n": n, **claimant.values()}
    if turn is not None:
        values |= {"priority": turn.priority, "batch": turn.batch_id}
    if head is not None:
        values |= {"steps": head.steps, "revision": head.revision}
    if lowest is not None:
        values["lowest"] = lowest
    for number, wanted in enumerate(lanes):
        values |= wanted.values(number)
    limits = tuple((w.frames is not None, w.revision is not None) for w in lanes)
    options = (turn is not None, head is not None, lowest is not None)
    statement = _best(limits, claimant.limits, *options, suspects=suspects)
    return statement, {name: value for name, value in values.items() if value is not None}


@lru_cache(maxsize=256)
def _best(
    limits: tuple[tuple[bool, bool], ...],
    reach: tuple[bool, bool],
    one_turn: bool,
    alike: bool,
    bounded: bool,
    *,
    suspects: bool,
) -> Select[int]:
    ready: tuple[ColumnElement[bool], ...] = (SUSPECTS if suspects else HEALTHY,)
    if one_turn:
        # Another condition on the batch would lead SQLite to read and sort the whole lane.
        ready += (
            *DUE,
            UNAVOIDED,
            jobs.c.priority == opaque("priority", Integer),
            jobs.c.batch_id == opaque("batch", BigInteger),
        )
    else:
        ready += conditions(*reach)
    if bounded:
        ready += (jobs.c.priority >= opaque("lowest", Integer),)
    if alike:
        ready += (
            jobs.c.steps == bindparam("steps", type_=Integer),
            jobs.c.revision == bindparam("revision", type_=String),
        )
        if suspects:
            ready += (jobs.c.attempt + 1 < jobs.c.attempt_limit, jobs.c.returns <= 1)
    parts = [_part(number, *limited, ready) for number, limited in enumerate(limits)]
    if len(parts) == 1:
        only = parts[0].subquery("best")
    else:
        # SQLite does not accept ORDER BY in the parts of a compound SELECT, only in a subquery.
        wrapped = [select(part.subquery(f"lane_{i}")) for i, part in enumerate(parts)]
        only = union_all(*wrapped).subquery("best")
    order = (only.c.priority.desc(), only.c.batch_id, only.c.class_gib.desc(), only.c.id)
    return select(only.c.id).order_by(*order).limit(bindparam("n", type_=Integer))


def _part(
    number: int, short: bool, own: bool, ready: tuple[ColumnElement[bool], ...]
) -> Select[Any]:
    query = select(jobs.c.id, jobs.c.priority, jobs.c.batch_id, jobs.c.class_gib).where(
        jobs.c.model == bindparam(f"model_{number}", type_=String),
        jobs.c.mode == bindparam(f"mode_{number}", type_=String),
        jobs.c.class_gib == bindparam(f"gib_{number}", type_=Integer),
        SAMPLING,
        *ready,
    )
    if short:
        query = query.where(jobs.c.frames <= bindparam(f"frames_{number}", type_=Integer))
    if own:
        query = query.where(jobs.c.revision == bindparam(f"revision_{number}", type_=String))
    return query.order_by(*CLAIM_ORDER).limit(bindparam("n", type_=Integer))
