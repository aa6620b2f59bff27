"""`hymo history`: list jobs."""

from __future__ import annotations

from typing import Any

import click
from click.core import ParameterSource

from jobs.cli.context import App
from jobs.cli.options.filters import (
    FAILURES,
    STATES,
    Words,
    csv_options,
    filtered,
    machine_filters,
    waiting_for,
)
from jobs.cli.render.fields import parse_fields
from jobs.cli.stats import stats
from jobs.domain.states import Failure, State


@click.group(invoke_without_command=True)
@machine_filters
@click.option(
    "--state",
    "states",
    type=Words(STATES),
    metavar="STATE,…",
    help=f"Jobs in this state: {', '.join(STATES)}.",
)
@click.option(
    "--failure",
    "failures",
    type=Words(FAILURES),
    metavar="KIND,…",
    help=f"Jobs with this last failure: {', '.join(FAILURES)}.",
)
@click.option("--grep", metavar="TEXT", help="Jobs with this text in the prompt (any case).")
@click.option(
    "--sort",
    metavar="KEY",
    help="id, created, finished, duration, queue, priority, peak, skate, penetration or jitter; "
    "-KEY for descending. "
    "[default: -id; -created with --until]",
)
@click.option(
    "--limit",
    type=click.IntRange(1, 1000),
    default=50,
    show_default=True,
    help="Maximum number of jobs.",
)
@click.option("--after", metavar="CURSOR", help="Start after the previous page: its `next`.")
@click.option("--all", "everything", is_flag=True, help="All pages, with --json or --csv.")
@click.option("--fields", metavar="FIELD,…", help="Fields to show, in this order (docs/cli.md).")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@csv_options
@click.pass_context
def history(
    ctx: click.Context,
    /,
    *,
    states: tuple[str, ...] | None,
    failures: tuple[str, ...] | None,
    grep: str | None,
    sort: str | None,
    limit: int,
    after: str | None,
    everything: bool,
    fields: str | None,
    as_json: bool,
    as_csv: bool,
    safe_csv: bool,
    **filters: Any,
) -> None:
    """List jobs and their results, newest first.

    Filters can be combined. `hymo history stats` summarises attempts by card and mode.
    """
    if ctx.invoked_subcommand is not None:
        if set(map(ctx.get_parameter_source, ctx.params)) != {ParameterSource.DEFAULT}:
            raise click.UsageError(f"write the options after `{ctx.invoked_subcommand}`")
        return
    as_csv = as_csv or safe_csv
    if as_json and as_csv:
        raise click.UsageError("--json and --csv exclude each other")
    if everything and not (as_json or as_csv):
        raise click.UsageError("--all needs --json or --csv")
    chosen = parse_fields(fields)
    app = ctx.ensure_object(App)
    with app.store() as store:
        from jobs.cli.render.listing import Listing, note_unknown, show_csv, show_json, show_table
        from jobs.store.history.jobfilter import JobFilter
        from jobs.store.history.order import Order

        wanted = JobFilter(
            states=tuple(map(State, states or ())),
            failures=tuple(map(Failure, failures or ())),
            grep=grep or None,
            **filtered(store, **filters),
        )
        # Order by id is fastest for a worker or batch; but for an old --until it would scan all
        # newer jobs.
        timed = wanted.until is not None
        order = Order.parse(sort or ("-created" if timed else "-id"))
        listing = Listing(
            store=store,
            wanted=wanted,
            order=order,
            waiting=waiting_for(app, store),
            fields=chosen,
            limit=limit,
            everything=everything,
            next=after,
        )
        if as_csv:
            show_csv(listing, safe=safe_csv)
        else:
            (show_json if as_json else show_table)(listing)
        note_unknown(listing)


history.add_command(stats)
