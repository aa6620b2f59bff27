"""Overhead of attempts besides sampling: texts encoded, models loaded, motions sampled again."""

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
#: See `embedding` of `jobs.domain.attempts.Run`.
_MADE = attempts.c.embedding == "made"
#: Old attempts, made before loads were recorded, and failed attempts have no number of loads.
_COUNTED = attempts.c.loads.is_not(None)


@dataclass(frozen=True)
class Overhead:
    """The cost of attempts besides sampling.

    Attributes:
        motions: number of attempts that made a motion.
        stored: number of these whose text came from the store of embeddings.
        texts: number of texts encoded for that store, ahead of sampling or by the same attempt.
        counted: number of motions whose number of model loads was recorded.
        loads, load_s: number of models loaded, and the seconds that loading took.
        resampled: number of motions sampled again in float32 because a faster number type produced
            a NaN or an infinity.
        dtypes: number of motions by the number type of the result; resampled ones are float32.
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
        """Whether anything besides the number of motions was recorded."""
        return bool(self.counted or self.texts or self.stored or self.dtypes)

    @property
    def hit_rate(self) -> float | None:
        """Share of the motions whose text was already encoded, 0–1; None if no text came from the
        store. The value is clamped at 0, because texts may be encoded and not sampled yet."""
        return max(0.0, 1 - self.texts / self.stored) if self.stored else None

    @property
    def loads_per_1000(self) -> float | None:
        """Models loaded per 1 000 motions; None if loads were recorded for no motion."""
        return 1000 * self.loads / self.counted if self.counted else None

    @property
    def resampled_share(self) -> float | None:
        """Share of the motions that were resampled, 0–1; None if no number type was recorded."""
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
    """Reads the overhead of attempts."""

    def groups(self, wanted: AttemptFilter | None = None) -> Mapping[tuple[str, str], Overhead]:
        """Overhead by (card, mode), sorted; mode `encode` holds the texts that were encoded ahead.

        The query reads every attempt once.
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
    """The sum over all groups."""
    return sum(groups.values(), start=Overhead())


def _sums(conditions: list[ColumnElement[bool]]) -> Select[*tuple[Any, ...]]:
    """One row per card, mode and number type."""
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
