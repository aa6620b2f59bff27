"""Overhead of attempts: texts encoded, models loaded, motions sampled again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_, select

from jobs.domain.memory import ENCODE
from jobs.domain.states import Outcome
from jobs.store.base import StorePart, record
from jobs.store.history.stats import ENDED, AttemptFilter
from jobs.store.tables import attempts

_MOTION = and_(attempts.c.outcome == Outcome.SUCCEEDED, attempts.c.mode != ENCODE)
#: As `jobs.domain.attempts.Run` has it.
_MADE = attempts.c.embedding == "made"
#: Attempts of a time when loads were not counted say nothing of them, nor do failed ones.
_COUNTED = attempts.c.loads.is_not(None)


@dataclass(frozen=True)
class Overhead:
    """What attempts cost beside sampling.

    Attributes:
        motions: attempts that made one.
        stored: of these, whose text came from the store of embeddings.
        texts: encoded for that store, ahead or by the attempt that sampled.
        counted: motions of which it is known how many models were loaded for them.
        loads, load_s: models loaded, and the seconds that took.
        resampled: motions that a faster number type broke and that were sampled again in float32.
        dtypes: number type → motions that came out of it; those made again are float32's.
    """

    motions: int = 0
    stored: int = 0
    texts: int = 0
    counted: int = 0
    loads: int = 0
    load_s: float = 0.0
    resampled: int = 0
    dtypes: Mapping[str, int] = field(default_factory=dict)

    @property
    def told(self) -> bool:
        """Whether anything is known of these attempts beyond their number."""
        return bool(self.counted or self.texts or self.stored or self.dtypes)

    @property
    def hit_rate(self) -> float | None:
        """Share of the motions whose text need not be encoded for them, 0–1; None: none had its
        text from the store. Texts encoded and not sampled yet can bring it to 0, not below."""
        return max(0.0, 1 - self.texts / self.stored) if self.stored else None

    @property
    def loads_per_1000(self) -> float | None:
        """Models loaded for 1 000 motions; None: not known of any."""
        return 1000 * self.loads / self.counted if self.counted else None

    @property
    def resampled_share(self) -> float | None:
        """Share of the motions that were sampled again, 0–1; None: not known of any."""
        known = sum(self.dtypes.values())
        return self.resampled / known if known else None

    def __add__(self, other: Overhead) -> Overhead:
        return Overhead(
            motions=self.motions + other.motions,
            stored=self.stored + other.stored,
            texts=self.texts + other.texts,
            counted=self.counted + other.counted,
            loads=self.loads + other.loads,
            load_s=self.load_s + other.load_s,
            resampled=self.resampled + other.resampled,
            dtypes=dict(sorted((Counter(self.dtypes) + Counter(other.dtypes)).items())),
        )


class OverheadStore(StorePart):
    """Reading what upkeep attempts cost. Nothing here writes."""

    def groups(self, wanted: AttemptFilter | None = None) -> Mapping[tuple[str, str], Overhead]:
        """By (card, mode), in order; mode `encode` has the texts that were encoded ahead.

        Reads every attempt once.
        """
        found: dict[tuple[str, str], Overhead] = {}
        with self.read() as connection:
            for row in connection.execute(_sums((wanted or AttemptFilter()).conditions())):
                key = (row.card, row.mode)
                dtypes = {row.dtype: row.motions} if row.dtype and row.motions else {}
                one = record(Overhead, row, dtypes=dtypes)
                found[key] = found.get(key, Overhead()) + one
        return dict(sorted(found.items()))


def total(groups: Mapping[tuple[str, str], Overhead]) -> Overhead:
    """All of them together."""
    return sum(groups.values(), start=Overhead())


def _sums(conditions: list[ColumnElement[bool]]) -> Select[*tuple[Any, ...]]:
    """A row a card, mode and number type."""
    encoded = or_(attempts.c.outcome == Outcome.ENCODED, and_(_MOTION, _MADE))
    group = (attempts.c.card, attempts.c.mode, attempts.c.dtype)
    number = func.count()
    return (
        select(
            *group,
            number.filter(_MOTION).label("motions"),
            number.filter(_MOTION, attempts.c.plan.is_not(None)).label("stored"),
            number.filter(encoded).label("texts"),
            number.filter(_MOTION, _COUNTED).label("counted"),
            func.coalesce(func.sum(attempts.c.loads), 0).label("loads"),
            func.coalesce(func.sum(attempts.c.load_s).filter(_COUNTED), 0.0).label("load_s"),
            number.filter(_MOTION, attempts.c.numerics_step.is_not(None)).label("resampled"),
        )
        .where(attempts.c.outcome.in_(ENDED), *conditions)
        .group_by(*group)
    )
