"""`hymo history stats`: success, phases, memory, quality and FMD by card and mode."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from jobs.cli.context import App, pass_app
from jobs.cli.options.filters import csv_options, filtered, machine_filters
from jobs.cli.render.overhead import print_upkeep, upkeep_rows
from jobs.cli.render.stats import HEADER, csv_rows, print_groups
from jobs.cli.render.tables import note, print_csv, print_json
from jobs.documents.stats import distance_document, stats_document, upkeep_document
from jobs.domain.memory import ENCODE

if TYPE_CHECKING:
    pass


@click.command()
@machine_filters
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@csv_options
@pass_app
def stats(
    app: App,
    /,
    *,
    as_json: bool,
    as_csv: bool,
    safe_csv: bool,
    **filters: Any,
) -> None:
    """Summarise attempts by card and mode: success; mean, median and 95th percentile of phases.

    Runs are attempts that succeeded or failed; phases, peak memory and quality are of successes
    only. Quality is how far feet slip while in contact (mm per 1/30 s), how deep the body sinks
    into the ground (mm), and the mean jerk of the joints (m/s³). FMD is the Fréchet distance
    of the motions, at most the newest 5000, from real ones; docs/measures.md defines it.
    Attempts that only encode a text have mode `encode`. The last part lists texts encoded and
    the share of motions whose text was already encoded, models loaded, and motions sampled again
    in float32. --since and --until refer to the start of an attempt.
    """
    as_csv = as_csv or safe_csv
    if as_json and as_csv:
        raise click.UsageError("--json and --csv exclude each other")
    with app.store() as store:
        from jobs.monitoring.distance import distances
        from jobs.store.history.stats import AttemptFilter

        wanted = AttemptFilter(**filtered(store, **filters))
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
        rows = [row for group in groups for row in csv_rows(group, fmd)]
        print_csv(HEADER, [*rows, *upkeep_rows(upkeep)], safe=safe_csv)
    elif groups:
        from jobs.cli.render.cards import print_cards

        print_cards(groups, fmd)
        click.echo()
        print_groups(groups)
        print_upkeep(upkeep)
    else:
        note("no attempts match")
