"""The table of `hymo history stats` with one line per card and mode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from jobs.cli.render.tables import Column, note, print_table
from jobs.cli.render.text import clean, duration, gigabytes, jerk, millimetres, percent
from jobs.domain.memory import ENCODE
from jobs.monitoring.distance import LEAST, MOST, MotionDistance

if TYPE_CHECKING:
    from jobs.store.history.stats import StatsGroup

COLUMNS = (
    Column("CARD", flexible=True),
    Column("MODE"),
    Column("RUNS", "right"),
    Column("SUCCESS", "right"),
    Column("LATENCY", "right"),
    Column("PEAK", "right"),
    Column("FMD", "right"),
    Column("SKATE", "right"),
    Column("JITTER", "right"),
)
#: Shown if too few motions were measured for a distance.
NONE = "—"


def print_cards(
    groups: Sequence[StatsGroup], distances: Mapping[tuple[str, str], MotionDistance]
) -> None:
    """Print the table of means; details of the distances go to stderr."""
    print_table(COLUMNS, [_row(each, distances.get((each.card, each.mode))) for each in groups])
    for (card, mode), distance in distances.items():
        note(f"FMD of {clean(card)} {mode}: {told(distance)}")
    if len(distances) < sum(each.mode != ENCODE for each in groups):
        note(f"FMD {NONE}: fewer than {LEAST} motions were measured against the current reference")


def told(distance: MotionDistance) -> str:
    """A distance with its interval and the numbers of motions compared."""
    newest = "the newest " if distance.motions == MOST else ""
    return (
        f"{distance.value:.3g}, 95 % interval {distance.low:.3g} to {distance.high:.3g}, "
        f"{newest}{distance.motions} motions against {distance.real} real clips"
    )


def _row(group: StatsGroup, distance: MotionDistance | None) -> tuple[str, ...]:
    means = {name: spread.mean for name, spread in group.measures.items()}
    return (
        group.card,
        group.mode,
        str(group.count),
        percent(group.success),
        duration(means.get("total")),
        gigabytes(means.get("peak_memory")),
        _figure(group, distance),
        millimetres(means.get("skate_mm")),
        jerk(means.get("jitter")),
    )


def _figure(group: StatsGroup, distance: MotionDistance | None) -> str:
    if group.mode == ENCODE:
        return ""
    return NONE if distance is None else f"{distance.value:.3g}"
