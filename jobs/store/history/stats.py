"""Statistics of attempts by card and mode, computed by the database.

They cover success, phases, memory and quality. Percentiles use the nearest-rank method: the
smallest measured value that at least the given share of the values does not exceed. Both databases
return the same value.
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
#: Condition: the attempt succeeded. It made a motion or, in mode `encode`, encoded a text.
_SUCCEEDED = attempts.c.outcome.in_((Outcome.SUCCEEDED, Outcome.ENCODED))
#: Outcomes of attempts that ended by themselves, as a success or a failure.
ENDED = (Outcome.SUCCEEDED, Outcome.ENCODED, Outcome.FAILED)
_ENCODING = attempts.c.mode == ENCODE
_RANKS = (("p50", 0.5), ("p95", 0.95))
#: An alias, because the query that is filtered may already contain the jobs table.
_JOB = jobs.alias("job")

#: Measures of a successful attempt. `total` is the sum of its phases without the queue wait.
MEASURES: Mapping[str, ColumnElement[Any]] = {
    **{phase: attempts.c[f"{phase}_s"] for phase in PHASES},
    # Without the cast, ORDER BY would split the sum and sort by its terms one after the other.
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
#: Measures of an attempt that only encodes a text.
OF_TEXTS = ("queue", "load", "encode", "total", "peak_memory")


@dataclass(frozen=True)
class AttemptFilter:
    """Selects attempts that meet every given condition.

    Attributes:
        batch_id: id of the batch of their jobs.
        modes: modes of the attempts; for an attempt that encodes a text, the mode of its job.
        cards, workers: card and worker names of the attempts.
        since, until: the attempt started at or after `since` and before `until`, epoch seconds.
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
            # A correlated subquery, evaluated only for attempts that encode a text.
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
    """Mean, median and 95th percentile of a measure; None if percentiles were not requested.

    The unit is seconds, bytes for memory, and the unit of the measure for quality.
    """

    mean: float
    p50: float | None = None
    p95: float | None = None


@dataclass(frozen=True)
class StatsGroup:
    """The attempts of one card and mode; mode `encode` holds those that encode a text ahead.

    Attributes:
        count: number of attempts that succeeded or failed. Cancelled and released attempts are not
            counted, because they say nothing about the card.
        measures: by name of `MEASURES`, over the successful attempts that have the measure.
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
    """Reads statistics of attempts.

    Means read every attempt once. Percentiles sort the attempts once per measure, which takes
    seconds for a million attempts (docs/cli.md).
    """

    def groups(
        self,
        wanted: AttemptFilter | None = None,
        *,
        measures: Sequence[str] = tuple(MEASURES),
        percentiles: bool = True,
        encoding: bool = False,
    ) -> tuple[StatsGroup, ...]:
        """Statistics of every card and mode that has ended attempts, sorted by card and mode.

        Args:
            wanted: selects the attempts.
            measures: names of `MEASURES` to compute.
            percentiles: whether to compute percentiles as well as means.
            encoding: whether to include attempts that encode a text, in groups of mode `encode`.
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
    """The measures that attempts of this mode have."""
    return [name for name in measures if name in OF_TEXTS] if mode == ENCODE else measures


def _summary(
    conditions: Sequence[ColumnElement[bool]], measures: Sequence[str]
) -> Select[*tuple[Any, ...]]:
    """Counts and means, one row per group."""
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
    """Median and 95th percentile, one row per group."""
    value = MEASURES[name]
    there = (_SUCCEEDED, value.is_not(None), *conditions)
    if dialect == "postgresql":
        # On PostgreSQL the window function used below takes 2.5 to 4 times as long.
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
