"""How far the motions made on each card and in each mode are from real ones.

Whoever can measure it (`worker.engine.measures`) joins through the entry-point group
`hymo.measures` and is imported only when there are enough motions: history itself starts without
numerics.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, TypeAlias

from jobs.domain.attempts import Features

if TYPE_CHECKING:
    from jobs.store.history.stats import AttemptFilter, Group
    from jobs.store.store import Store

PLUGINS = "hymo.measures"
NAME = "fmd"

#: Fewer motions say nothing about a spread between motions: there is no distance.
LEAST = 8

#: Motions of a card and mode that a distance is taken of: the newest. More would hardly move it.
MOST = 5_000


@dataclass(frozen=True)
class MotionDistance:
    """How far motions are from real ones: the Fréchet Motion Distance of docs/measures.md.

    Attributes:
        value: squared distance; 0 is best.
        low, high: its 95 % interval.
        motions: how many were measured.
        real: of how many real clips the statistics are.
        reference: their revision; distances of different ones cannot be compared.
    """

    value: float
    low: float
    high: float
    motions: int
    real: int
    reference: str


#: The distance of these motions; None where fewer than `LEAST` of them were told in the terms of
#: the present reference.
Measure: TypeAlias = Callable[[Sequence[Features]], MotionDistance | None]


def distances(
    store: Store, wanted: AttemptFilter, groups: Sequence[Group], *, most: int = MOST
) -> Mapping[tuple[str, str], MotionDistance]:
    """By (card, mode): the distance of the newest motions; groups with too few are left out."""
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
    """What measures the distance, ready to; None where nothing is installed that can."""
    for point in entry_points(group=PLUGINS, name=NAME):
        make: Callable[[], Measure | None] = point.load()
        return make()
    return None
