"""Cards and modes, a line each, as the published table has them: what runs well where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from jobs.cli.render.tables import Column, note, print_table
from jobs.cli.render.text import clean, duration, gigabytes, jerk, millimetres, percent
from jobs.domain.memory import ENCODE
from jobs.monitoring.distance import LEAST, MOST, MotionDistance

if TYPE_CHECKING:
    from jobs.store.history.stats import Group

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
#: No distance: too few motions that were measured.
NONE = "—"


def print_cards(
    groups: Sequence[Group], distances: Mapping[tuple[str, str], MotionDistance]
) -> None:
    """The table, all figures means; how each distance was come by goes to stderr."""
    print_table(COLUMNS, [_row(each, distances.get((each.card, each.mode))) for each in groups])
    for (card, mode), distance in distances.items():
        note(f"FMD of {clean(card)} {mode}: {told(distance)}")
    if len(distances) < sum(each.mode != ENCODE for each in groups):
        note(f"FMD {NONE}: fewer than {LEAST} motions were measured against the present reference")


def told(distance: MotionDistance) -> str:
    """A distance with its interval and what it was taken of."""
    newest = "the newest " if distance.motions == MOST else ""
    return (
        f"{distance.value:.3g}, 95 % interval {distance.low:.3g} to {distance.high:.3g}, "
        f"{newest}{distance.motions} motions against {distance.real} real clips"
    )


def _row(group: Group, distance: MotionDistance | None) -> tuple[str, ...]:
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


def _figure(group: Group, distance: MotionDistance | None) -> str:
    if group.mode == ENCODE:
        return ""
    return NONE if distance is None else f"{distance.value:.3g}"
