"""Lanes: the queued jobs of one model, mode and class, in the order in which they are claimed.

The partial index `ix_jobs_claim` stores every lane in this order. The best job is found by reading
the head of each lane that a worker may use. This takes a few index seeks, regardless of how many
jobs are queued and how many of them the worker cannot run.

Statements are built once and take their values as parameters, because building a statement with
SQLAlchemy costs more than SQLite needs to run it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Double,
    Integer,
    Select,
    String,
    and_,
    bindparam,
    false,
    func,
    literal_column,
    or_,
    select,
    union_all,
)

from jobs.domain.memory import GIB
from jobs.domain.routing import EVERYTHING, Offer, Reach
from jobs.domain.states import State
from jobs.store.tables import batches, jobs

#: The order in which jobs are claimed: priority, then class (largest first), then id.
ORDER: tuple[ColumnElement[Any], ...] = (
    jobs.c.priority.desc(),
    jobs.c.class_gib.desc(),
    jobs.c.id,
)

#: Literals instead of parameters, as in the partial indexes: otherwise the planner cannot see that
#: the indexes apply.
QUEUED: ColumnElement[bool] = jobs.c.state == literal_column(f"'{State.QUEUED}'")
RUNNING: ColumnElement[bool] = jobs.c.state == literal_column(f"'{State.RUNNING}'")

#: Conditions of the partial indexes: the job can be sampled, or waits for its text.
SAMPLING: ColumnElement[bool] = jobs.c.encode_gib.is_(None)
WAITING: ColumnElement[bool] = jobs.c.encode_gib.is_not(None)

#: Conditions of the partial indexes: a suspect, or not.
HEALTHY: ColumnElement[bool] = jobs.c.suspect == literal_column("false")
SUSPECTS: ColumnElement[bool] = jobs.c.suspect == literal_column("true")

#: Condition: the job was queued before the database's clock was set back, so that its other times,
#: written then, do not hold it.
_BEFORE_SET_BACK: ColumnElement[bool] = jobs.c.queued_at > bindparam("now", type_=Double)

#: Conditions: the job is ready to be claimed at the time `now`, a parameter.
READY: tuple[ColumnElement[bool], ...] = (
    QUEUED,
    or_(jobs.c.not_before <= bindparam("now", type_=Double), _BEFORE_SET_BACK),
    jobs.c.attempt < jobs.c.attempt_limit,
    jobs.c.cancel_requested.is_(False),
    jobs.c.batch_id.not_in(select(batches.c.id).where(batches.c.paused.is_(True))),
)


@dataclass(frozen=True)
class Claimant:
    """Who reads lanes, and when.

    Attributes:
        now: epoch seconds by the store's clock.
        device: its `jobs.domain.workers.device_key`; empty: no device is avoided.
        reach: what it can claim at this moment.
    """

    now: float
    device: str = ""
    reach: Reach = EVERYTHING

    def conditions(self) -> tuple[ColumnElement[bool], ...]:
        """Conditions: this worker can claim the job now."""
        return _conditions(bool(self.reach.hidden), self.reach.newest is not None)

    def values(self) -> dict[str, Any]:
        """The parameters of `conditions`."""
        values: dict[str, Any] = {"now": self.now, "device": self.device}
        if self.reach.hidden:
            values["hidden"] = sorted(self.reach.hidden)
        if self.reach.newest is not None:
            values["newest"] = self.reach.newest
        return values


@lru_cache(maxsize=4)
def _conditions(hidden: bool, newest: bool) -> tuple[ColumnElement[bool], ...]:
    avoided = or_(
        jobs.c.avoid.is_(None),
        jobs.c.avoid != bindparam("device", type_=String),
        jobs.c.avoid_until <= bindparam("now", type_=Double),
        _BEFORE_SET_BACK,
    )
    found: tuple[ColumnElement[bool], ...] = (*READY, avoided)
    if hidden:
        found += (jobs.c.batch_id.not_in(bindparam("hidden", type_=BigInteger, expanding=True)),)
    if newest:
        found += (jobs.c.batch_id <= bindparam("newest", type_=BigInteger),)
    return found


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


def lane(model: str, mode: str, gib: int, offer: Offer) -> Lane:
    """The lane, restricted to the jobs that this offer can run."""
    return Lane(
        model=model,
        mode=mode,
        gib=gib,
        frames=offer.max_frames.get(mode),
        revision=offer.revisions.get(model, {}).get(mode),
    )


def suits(offer: Offer, reach: Reach = EVERYTHING) -> ColumnElement[bool]:
    """Condition: this offer can sample the job (`jobs.domain.routing.fits` in SQL)."""
    return and_(
        SAMPLING,
        jobs.c.model.in_(offer.models),
        *(or_(jobs.c.model != model, jobs.c.mode != mode) for model, mode in sorted(reach.without)),
        *(_has(model, offer) for model in offer.revisions if model in offer.models),
        jobs.c.class_gib <= offer.memory_bytes // GIB,
        or_(
            false(),
            *(
                and_(
                    jobs.c.mode == mode,
                    *(
                        [jobs.c.frames <= offer.max_frames[mode]]
                        if mode in offer.max_frames
                        else []
                    ),
                )
                for mode in offer.modes
            ),
        ),
    )


def _has(model: str, offer: Offer) -> ColumnElement[bool]:
    """Condition: if the job is for this model, the offer has the weights that it needs."""
    own = offer.revisions[model].items()
    return or_(
        jobs.c.model != model,
        *(and_(jobs.c.mode == mode, jobs.c.revision == revision) for mode, revision in own),
    )


@lru_cache(maxsize=2)
def classes(*, suspects: bool = False) -> Select[int]:
    """The classes (GiB, at most `most`) in which jobs of `model` and `mode` are queued.

    This is a loose index scan: it takes one seek per class instead of one step per job.
    """
    queued = and_(
        QUEUED,
        SAMPLING,
        SUSPECTS if suspects else HEALTHY,
        jobs.c.model == bindparam("model", type_=String),
        jobs.c.mode == bindparam("mode", type_=String),
    )
    biggest = func.max(jobs.c.class_gib)
    below = jobs.c.class_gib <= bindparam("most", type_=Integer)
    found = select(biggest.label("gib")).where(queued, below).cte("classes", recursive=True)
    smaller = select(biggest).where(queued, jobs.c.class_gib < found.c.gib).scalar_subquery()
    found = found.union_all(select(smaller).where(found.c.gib.is_not(None)))
    return select(found.c.gib).where(found.c.gib.is_not(None))


def best(
    lanes: Sequence[Lane],
    n: int,
    *,
    claimant: Claimant,
    steps: int | None = None,
    revision: str = "",
    suspects: bool = False,
) -> tuple[Select[int], Mapping[str, Any]]:
    """A statement and its parameters: ids of the best `n` ready jobs in these lanes, best first.

    Args:
        lanes: the lanes to read, at least one.
        n: the maximum number of ids.
        claimant: who claims.
        steps, revision: if `steps` is given, only jobs with these steps and this revision that may
            share a pack are selected: suspects as `jobs.store.queue.suspects.pack_size` says.
        suspects: read the suspects of these lanes instead of the other jobs.
    """
    own = None if steps is None else revision
    values: dict[str, Any] = {"n": n, **claimant.values(), "steps": steps, "revision": own}
    for number, wanted in enumerate(lanes):
        values |= {
            f"model_{number}": wanted.model,
            f"mode_{number}": wanted.mode,
            f"gib_{number}": wanted.gib,
            f"frames_{number}": wanted.frames,
            f"revision_{number}": wanted.revision,
        }
    limits = tuple((w.frames is not None, w.revision is not None) for w in lanes)
    reached = (bool(claimant.reach.hidden), claimant.reach.newest is not None)
    statement = _best(limits, reached, steps is not None, suspects)
    return statement, {name: value for name, value in values.items() if value is not None}


@lru_cache(maxsize=256)
def _best(
    limits: tuple[tuple[bool, bool], ...], reached: tuple[bool, bool], alike: bool, suspects: bool
) -> Select[int]:
    ready = (SUSPECTS if suspects else HEALTHY, *_conditions(*reached))
    if alike and suspects:
        ready += (jobs.c.attempt + 1 < jobs.c.attempt_limit, jobs.c.returns <= 1)
    parts = [_part(number, *limited, ready, alike) for number, limited in enumerate(limits)]
    if len(parts) == 1:
        only = parts[0].subquery("best")
    else:
        # SQLite does not accept ORDER BY in the parts of a compound SELECT, only in a subquery.
        wrapped = [select(part.subquery(f"lane_{i}")) for i, part in enumerate(parts)]
        only = union_all(*wrapped).subquery("best")
    order = (only.c.priority.desc(), only.c.class_gib.desc(), only.c.id)
    return select(only.c.id).order_by(*order).limit(bindparam("n", type_=Integer))


def _part(
    number: int, short: bool, own: bool, ready: tuple[ColumnElement[bool], ...], alike: bool
) -> Select[Any]:
    query = select(jobs.c.id, jobs.c.priority, jobs.c.class_gib).where(
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
    if alike:
        query = query.where(
            jobs.c.steps == bindparam("steps", type_=Integer),
            jobs.c.revision == bindparam("revision", type_=String),
        )
    return query.order_by(jobs.c.priority.desc(), jobs.c.id).limit(bindparam("n", type_=Integer))
