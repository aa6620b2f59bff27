"""Statistics of attempts as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from jobs.documents.job import PHASES, QUALITY, picked

if TYPE_CHECKING:
    from jobs.monitoring.distance import MotionDistance
    from jobs.store.history.overhead import Overhead
    from jobs.store.history.stats import StatsGroup

Found = Mapping[tuple[str, str], "Overhead"]

TIMINGS = (*PHASES, "total")


def stats_document(group: StatsGroup) -> dict[str, Any]:
    """A group of `hymo.stats/1` (docs/json.md)."""
    return {
        **picked(group, "card mode count succeeded"),
        "success_rate": group.success,
        "timings": {name: _spread(group, name) for name in TIMINGS},
        "peak_memory_bytes": _spread(group, "peak_memory"),
        "quality": {name: _spread(group, name) for name in QUALITY},
    }


def _spread(group: StatsGroup, measure: str) -> dict[str, float | None] | None:
    spread = group.measures.get(measure)
    return None if spread is None else asdict(spread)


def distance_document(distance: MotionDistance | None) -> dict[str, Any] | None:
    """The `fmd` of a group of `hymo.stats/1`; None if there are too few motions."""
    return None if distance is None else asdict(distance)


def upkeep_document(found: Found) -> dict[str, Any]:
    """The `upkeep` of `hymo.stats/1` (docs/json.md)."""
    from jobs.store.history.overhead import total

    whole = total(found)
    groups = [{"card": card, "mode": mode, **sums(one)} for (card, mode), one in found.items()]
    return {**sums(whole), "hit_rate": whole.hit_rate, "groups": groups}


def sums(one: Overhead) -> dict[str, Any]:
    """A group's overhead without the hit rate, since another card may have encoded the texts."""
    names = "motions texts loads loads_per_1000 load_s resampled resampled_share"
    return picked(one, names) | {"dtypes": dict(one.dtypes)}
