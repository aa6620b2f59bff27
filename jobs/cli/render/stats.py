"""Print statistics as tables and CSV."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from jobs.cli.render.tables import Column, print_table
from jobs.cli.render.text import duration, gigabytes, jerk, millimetres, percent
from jobs.documents.stats import TIMINGS

if TYPE_CHECKING:
    from jobs.monitoring.distance import MotionDistance
    from jobs.store.history.stats import StatsGroup

#: Measure → its name, its unit, and the format of its figures in tables.
MEASURES: Mapping[str, tuple[str, str, Callable[[float | None], str]]] = {
    **{name: (name, "s", duration) for name in TIMINGS},
    "peak_memory": ("peak memory", "bytes", gigabytes),
    "skate_mm": ("skate", "mm", millimetres),
    "penetration_mm": ("penetration", "mm", millimetres),
    "jitter": ("jitter", "m/s³", jerk),
}

COLUMNS = (
    Column("CARD", flexible=True),
    Column("MODE"),
    Column("RUNS", "right"),
    Column("SUCCESS", "right"),
    Column("MEASURE"),
    Column("MEAN", "right"),
    Column("P50", "right"),
    Column("P95", "right"),
)

HEADER = ("card", "mode", "count", "success_rate", "measure", "unit", "mean", "p50", "p95")


def print_groups(groups: Sequence[StatsGroup]) -> None:
    """Print the table of cards and modes, with one line per measure."""
    print_table(COLUMNS, [row for group in groups for row in _rows(group)])


def _rows(group: StatsGroup) -> list[tuple[str, ...]]:
    head = (group.card, group.mode, str(group.count), percent(group.success))
    rows: list[tuple[str, ...]] = []
    for name, (called, _, text) in MEASURES.items():
        spread = group.measures.get(name)
        if spread is not None:
            figures = (text(spread.mean), text(spread.p50), text(spread.p95))
            rows.append((*head, called, *figures))
            head = ("", "", "", "")
    return rows or [(*head, "", "", "", "")]


def csv_rows(
    group: StatsGroup, fmd: Mapping[tuple[str, str], MotionDistance]
) -> list[tuple[object, ...]]:
    """One row per measure; the distance is in the column of means."""
    head = (group.card, group.mode, group.count, group.success)
    rows: list[tuple[object, ...]] = [
        (*head, name, MEASURES[name][1], spread.mean, spread.p50, spread.p95)
        for name, spread in group.measures.items()
    ]
    distance = fmd.get((group.card, group.mode))
    if distance is not None:
        rows.append((*head, "fmd", "", distance.value, None, None))
    return rows
