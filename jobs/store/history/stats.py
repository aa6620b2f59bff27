"""Statistics over attempts: success, phases, memory and quality by card and mode, computed by the
database.

A percentile is the nearest rank: the smallest value that at least that share of the values does
not exceed. Both databases give the same, and it is a value that was measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Double,
    Select,
    and_,
    case,
    cast,
    exists,
    func,
    or_,
    select,
)

from jobs.domain.memory import ENCODE
from jobs.domain.states import Outcome
from jobs.store.base import StorePart
from jobs.store.history.jobrow import PHASES
from jobs.store.motions import QUALITY
from jobs.store.tables import attempts, jobs

_GROUP = (attempts.c.card, attempts.c.mode)
#: An attempt that made what it was for: a motion, or in mode `encode` a text's features.
_SUCCEEDED = attempts.c.outcome.in_((Outcome.SUCCEEDED, Outcome.ENCODED))
#: Those, and the ones that failed: what ended by itself.
ENDED = (Outcome.SUCCEEDED, Outcome.ENCODED, Outcome.FAILED)
_ENCODING = attempts.c.mode == ENCODE
_RANKS = (("p50", 0.5), ("p95", 0.95))
#: Under a name of its own: who filters attempts may have jobs in the query already.
_JOB = jobs.alias("job")

#: What is measured of a successful attempt. `total`: its phases but the wait in the queue.
MEASURES: Mapping[str, ColumnElement[Any]] = {
    **{phase: attempts.c[f"{phase}_s"] for phase in PHASES},
    # Cast, since an ORDER BY takes a bare sum apart and sorts by its terms one after the other.
    "total": cast(
        sum(
            (func.coalesce(attempts.c[f"{phase}_s"], 0.0) for phase in PHASES[2:]),
            func.coalesce(attempts.c.load_s, 0.0),
        ),
        Double,
    ),
    "peak_memory": cast(attempts.c.peak_memory_bytes, Double),
    **{name: attempts.c[name] for name in QUALITY},
}
#: Those of them that an attempt has which only encodes a text.
OF_TEXTS = ("queue", "load", "encode", "total", "peak_memory")


@dataclass(frozen=True)
class AttemptFilter:
    """Attempts that meet every condition given.

    Attributes:
        batch_id: at jobs of one batch.
        modes: as the attempt had them; of one that encodes a text, as its job has them.
        cards, workers: as the attempt had them.
        since, until: begun at or after, and before: epoch seconds.
    """

    batch_id: int | None = None
    modes: tuple[str, ...] = ()
    cards: tuple[str, ...] = ()
    workers: tuple[str, ...] = ()
    since: float | None = None
    until: float | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """The conditions on the attempts table."""
        found: list[ColumnElement[bool]] = []
        if self.batch_id is not None:
            own = select(jobs.c.id).where(jobs.c.batch_id == self.batch_id)
            found.append(attempts.c.job_id.in_(own))
        if self.modes:
            # Asked row by row, and only of those that encode.
            of_mode = exists().where(_JOB.c.id == attempts.c.job_id, _JOB.c.mode.in_(self.modes))
            found.append(or_(attempts.c.mode.in_(self.modes), and_(_ENCODING, of_mode)))
        for column, values in (
            (attempts.c.card, self.cards),
            (attempts.c.worker_name, self.workers),
        ):
            if values:
                found.append(column.in_(values))
        if self.since is not None:
            found.append(attempts.c.started_at >= self.since)
        if self.until is not None:
            found.append(attempts.c.started_at < self.until)
        return found


@dataclass(frozen=True)
class MeasureSpread:
    """Mean, median and 95th percentile: seconds, bytes for memory, a quality's own unit. None: not
    asked for."""

    mean: float
    p50: float | None = None
    p95: float | None = None


@dataclass(frozen=True)
class StatsGroup:
    """The attempts of one card and mode; mode `encode` has those that encode a text ahead.

    Attributes:
        count: those that ended by themselves, as a success or as a failure. Attempts that a
            person cancelled or a worker gave back say nothing of the card.
        measures: by name of `MEASURES`, over the successes that have it.
    """

    card: str
    mode: str
    count: int
    succeeded: int
    measures: Mapping[str, MeasureSpread]

    @property
    def success(self) -> float:
        """Share of the attempts that succeeded, 0–1."""
        return self.succeeded / self.count


class StatsStore(StorePart):
    """Reading what attempts cost. Nothing here writes.

    Means read every attempt once; percentiles sort them once for each measure: a million take
    seconds (docs/cli.md).
    """

    def groups(
        self,
        wanted: AttemptFilter | None = None,
        *,
        measures: Sequence[str] = tuple(MEASURES),
        percentiles: bool = True,
        encoding: bool = False,
    ) -> tuple[StatsGroup, ...]:
        """Every card and mode with attempts that ended, by name, with these measures.

        Args:
            wanted: which attempts.
            measures: of `MEASURES`.
            percentiles: whether to work out more than means.
            encoding: whether to tell of attempts that encode a text, in groups of mode `encode`.
        """
        conditions = (wanted or AttemptFilter()).conditions()
        if not encoding:
            conditions.append(attempts.c.mode != ENCODE)
        with self.read() as connection:
            rows = connection.execute(_summary(conditions, measures)).all()
            found = {
                (row.card, row.mode, name): MeasureSpread(getattr(row, f"{name}_mean"))
                for row in rows
                for name in _of(row.mode, measures)
                if getattr(row, f"{name}_n")
            }
            for name in measures if percentiles else ():
                query = _percentiles(connection.dialect.name, name, conditions)
                for row in connection.execute(query):
                    key = (row.card, row.mode, name)
                    if key in found:
                        found[key] = replace(found[key], p50=row.p50, p95=row.p95)
        return tuple(
            StatsGroup(
                card=row.card,
                mode=row.mode,
                count=row.count_,
                succeeded=row.succeeded,
                measures={
                    name: found[row.card, row.mode, name]
                    for name in measures
                    if (row.card, row.mode, name) in found
                },
            )
            for row in rows
        )


def _of(mode: str, measures: Sequence[str]) -> Sequence[str]:
    """Those of the measures that attempts of a mode have."""
    return [name for name in measures if name in OF_TEXTS] if mode == ENCODE else measures


def _summary(
    conditions: Sequence[ColumnElement[bool]], measures: Sequence[str]
) -> Select[*tuple[Any, ...]]:
    """Counts and means, a row a group."""
    columns: list[ColumnElement[Any]] = [
        *_GROUP,
        func.count().label("count_"),
        func.sum(case((_SUCCEEDED, 1), else_=0)).label("succeeded"),
    ]
    for name in measures:
        counted = case((_SUCCEEDED, MEASURES[name]))
        columns += [
            func.count(counted).label(f"{name}_n"),
            cast(func.avg(counted), Double).label(f"{name}_mean"),
        ]
    return (
        select(*columns)
        .where(attempts.c.outcome.in_(ENDED), *conditions)
        .group_by(*_GROUP)
        .order_by(*_GROUP)
    )


def _percentiles(
    dialect: str, name: str, conditions: Sequence[ColumnElement[bool]]
) -> Select[*tuple[Any, ...]]:
    """Median and 95th percentile, a row a group."""
    value = MEASURES[name]
    there = (_SUCCEEDED, value.is_not(None), *conditions)
    if dialect == "postgresql":
        # The window below would take it 2.5 to 4 times as long.
        both = [
            func.percentile_disc(least).within_group(value).label(label) for label, least in _RANKS
        ]
        return select(*_GROUP, *both).where(*there).group_by(*_GROUP)
    share = func.cume_dist().over(partition_by=_GROUP, order_by=value)
    ranked = select(*_GROUP, value.label("value"), share.label("share")).where(*there).subquery()
    group = (ranked.c.card, ranked.c.mode)
    both = [
        func.min(ranked.c.value).filter(ranked.c.share >= least).label(label)
        for label, least in _RANKS
    ]
    return select(*group, *both).group_by(*group)
