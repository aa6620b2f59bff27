"""`hymo history stats`: success, phases, memory, quality and FMD by card and mode."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import click

from jobs.cli.context import App, pass_app
from jobs.cli.filters import batch_id, card_names, machine_filters
from jobs.cli.output import Column, note, print_csv, print_json, print_table
from jobs.cli.text import duration, gigabytes, jerk, millimetres, percent
from jobs.cli.upkeep import print_upkeep, upkeep_rows
from jobs.documents.stats import TIMINGS, distance_document, stats_document, upkeep_document
from jobs.domain.memory import ENCODE

if TYPE_CHECKING:
    from jobs.distance import MotionDistance
    from jobs.store.history.stats import Group

#: Measure → what it is called, its unit, and how its figures are written for people.
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


@click.command()
@machine_filters
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@pass_app
def stats(
    app: App,
    *,
    batch: str | None,
    modes: tuple[str, ...] | None,
    cards: tuple[str, ...] | None,
    workers: tuple[str, ...] | None,
    since: float | None,
    until: float | None,
    as_json: bool,
    as_csv: bool,
) -> None:
    """Sum up attempts by card and mode: success, mean, median and 95th percentile of each phase.

    Runs are attempts that succeeded or failed; phases, peak memory and quality are those of
    successes. Quality is how far feet slip while in contact (mm per 1/30 s), how deep the body
    sinks into the ground (mm), and the mean jerk of the joints (m/s³). FMD is the Fréchet distance
    of the motions, at most the newest 5000, from real ones; docs/measures.md defines it.
    Attempts that encode a text ahead stand under mode `encode`. Last comes upkeep: texts encoded
    and how many motions needed none, models loaded, and motions sampled again in float32.
    --since and --until mean the time at which an attempt began.
    """
    if as_json and as_csv:
        raise click.UsageError("--json and --csv exclude each other")
    with app.store() as store:
        from jobs.distance import distances
        from jobs.store.history.stats import AttemptFilter

        wanted = AttemptFilter(
            batch_id=batch_id(store, batch),
            modes=modes or (),
            cards=card_names(store, cards or ()),
            workers=workers or (),
            since=since,
            until=until,
        )
        groups = store.stats.groups(wanted, encoding=True)
        fmd = distances(store, wanted, [each for each in groups if each.mode != ENCODE])
        upkeep = store.overhead.groups(wanted)
    if as_json:
        found = [
            stats_document(each) | {"fmd": distance_document(fmd.get((each.card, each.mode)))}
            for each in groups
        ]
        print_json({"schema": "hymo.stats/1", "groups": found, "upkeep": upkeep_document(upkeep)})
    elif as_csv:
        rows = [row for group in groups for row in _csv_rows(group, fmd)]
        print_csv(HEADER, [*rows, *upkeep_rows(upkeep)])
    elif groups:
        from jobs.cli.cardtable import print_cards

        print_cards(groups, fmd)
        click.echo()
        print_groups(groups)
        print_upkeep(upkeep)
    else:
        note("no attempts match")


def print_groups(groups: Sequence[Group]) -> None:
    """The table of cards and modes, a line a measure."""
    print_table(COLUMNS, [row for group in groups for row in _rows(group)])


def _rows(group: Group) -> list[tuple[str, ...]]:
    head = (group.card, group.mode, str(group.count), percent(group.success))
    rows: list[tuple[str, ...]] = []
    for name, (called, _, text) in MEASURES.items():
        spread = group.measures.get(name)
        if spread is not None:
            figures = (text(spread.mean), text(spread.p50), text(spread.p95))
            rows.append((*head, called, *figures))
            head = ("", "", "", "")
    return rows or [(*head, "", "", "", "")]


def _csv_rows(
    group: Group, fmd: Mapping[tuple[str, str], MotionDistance]
) -> list[tuple[object, ...]]:
    """A row a measure; the distance, which is one figure of all motions, stands as a mean."""
    head = (group.card, group.mode, group.count, group.success)
    rows: list[tuple[object, ...]] = [
        (*head, name, MEASURES[name][1], spread.mean, spread.p50, spread.p95)
        for name, spread in group.measures.items()
    ]
    distance = fmd.get((group.card, group.mode))
    if distance is not None:
        rows.append((*head, "fmd", "", distance.value, None, None))
    return rows
