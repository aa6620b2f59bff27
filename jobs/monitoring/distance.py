"""The distance of generated motions from real ones, by card and mode.

`worker.engine.measures` computes it and is registered in the entry-point group `hymo.measures`. It
is imported only if there are enough motions, so that `hymo history` starts without numerics.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, TypeAlias

from jobs.domain.attempts import Features

if TYPE_CHECKING:
    from jobs.store.history.stats import AttemptFilter, StatsGroup
    from jobs.store.store import Store

PLUGINS = "hymo.measures"
NAME = "fmd"

#: Fewest motions for which a distance is computed.
LEAST = 8

#: The distance is computed from this many of the newest motions; more would hardly change it.
MOST = 5_000


@dataclass(frozen=True)
class MotionDistance:
    """The Fréchet Motion Distance of docs/measures.md.

    Attributes:
        value: squared distance; 0 is best.
        low, high: its 95 % interval.
        motions: number of generated motions.
        real: number of real clips in the reference statistics.
        reference: revision of the statistics; distances of different revisions are not comparable.
    """

    value: float
    low: float
    high: float
    motions: int
    real: int
    reference: str


#: Computes the distance of motions; None if fewer than `LEAST` have features of the current
#: reference.
Measure: TypeAlias = Callable[[Sequence[Features]], MotionDistance | None]


def distances(
    store: Store, wanted: AttemptFilter, groups: Sequence[StatsGroup], *, most: int = MOST
) -> Mapping[tuple[str, str], MotionDistance]:
    """(card, mode) → distance of the newest motions; groups with too few motions are left out."""
    found: dict[tuple[str, str], MotionDistance] = {}
    measure: Measure | None = None
    for group in groups:
        features = store.features.newest(group.card, group.mode, wanted, limit=most)
        if len(features) < LEAST:
            continue
        measure = measure or plugged_in()
        if measure is None:
            break
        distance = measure(features)
        if distance is not None:
            found[group.card, group.mode] = distance
    return found


def plugged_in() -> Measure | None:
    """The installed measure; None if there is none."""
    for point in entry_points(group=PLUGINS, name=NAME):
        make: Callable[[], Measure | None] = point.load()
        return make()
    return None
