"""Conditions of queued jobs in SQL: which are ready, and which of them a worker can take now."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Double,
    Integer,
    ScalarSelect,
    String,
    and_,
    bindparam,
    false,
    literal_column,
    or_,
    select,
)

from jobs.domain.memory import GIB
from jobs.domain.routing import EVERYTHING, Offer, Reach
from jobs.domain.states import State
from jobs.store.base import AHEAD
from jobs.store.tables import batches, jobs

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
#: written then, do not hold it. A time that is ahead by less is of a transaction that ended after
#: this one had read the clock.
_BEFORE_SET_BACK: ColumnElement[bool] = jobs.c.queued_at > bindparam("now", type_=Double) + AHEAD


def opaque(name: str, kind: type[Integer]) -> ScalarSelect[int]:
    """A parameter whose value PostgreSQL's planner does not see.

    Of a batch that is new the statistics know nothing: the planner would take it for small, and
    read all of its jobs for a few.
    """
    return select(bindparam(name, type_=kind)).scalar_subquery()


def _unpaused(batch_id: ColumnElement[int]) -> ColumnElement[bool]:
    return batch_id.not_in(select(batches.c.id).where(batches.c.paused.is_(True)))


#: Conditions: the job is ready at the time `now`, a parameter, unless its batch is paused.
DUE: tuple[ColumnElement[bool], ...] = (
    QUEUED,
    or_(jobs.c.not_before <= bindparam("now", type_=Double), _BEFORE_SET_BACK),
    jobs.c.attempt < jobs.c.attempt_limit,
    jobs.c.cancel_requested.is_(False),
)
#: Conditions: the job is ready to be claimed.
READY: tuple[ColumnElement[bool], ...] = (*DUE, _unpaused(jobs.c.batch_id))
#: Condition: the claimant's device (`Claimant.values`) need not leave the job to others.
UNAVOIDED: ColumnElement[bool] = or_(
    jobs.c.avoid.is_(None),
    jobs.c.avoid != bindparam("device", type_=String),
    jobs.c.avoid_until <= bindparam("now", type_=Double),
    _BEFORE_SET_BACK,
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
        return conditions(*self.limits)

    @property
    def limits(self) -> tuple[bool, bool]:
        """Whether batches are hidden from it, and whether it knows no newer ones than some."""
        return bool(self.reach.hidden), self.reach.newest is not None

    def values(self) -> dict[str, Any]:
        """The parameters of `conditions`."""
        values: dict[str, Any] = {"now": self.now, "device": self.device}
        if self.reach.hidden:
            values["hidden"] = sorted(self.reach.hidden)
        if self.reach.newest is not None:
            values["newest"] = self.reach.newest
        return values


@lru_cache(maxsize=4)
def conditions(hidden: bool, newest: bool) -> tuple[ColumnElement[bool], ...]:
    """Conditions: a claimant of these `limits` can claim the job now; see `Claimant.values`."""
    return (*DUE, UNAVOIDED, *open_to(jobs.c.batch_id, hidden=hidden, newest=newest))


def open_to(
    batch_id: ColumnElement[int], *, hidden: bool, newest: bool
) -> tuple[ColumnElement[bool], ...]:
    """Conditions: the batch is not paused, and a claimant of these `limits` reaches it."""
    found: tuple[ColumnElement[bool], ...] = (_unpaused(batch_id),)
    if hidden:
        found += (batch_id.not_in(bindparam("hidden", type_=BigInteger, expanding=True)),)
    if newest:
        found += (batch_id <= bindparam("newest", type_=BigInteger),)
    return found


def suits(offer: Offer) -> ColumnElement[bool]:
    """Condition: this offer can sample the job (`jobs.domain.routing.fits` in SQL)."""
    return and_(
        SAMPLING,
        jobs.c.model.in_(offer.models),
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
