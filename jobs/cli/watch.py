"""`hymo watch`: show the progress of a batch."""

from __future__ import annotations

import click

from jobs.cli.context import App, pass_app
from jobs.cli.faults import ExitCode
from jobs.cli.options.outage import outage_option
from jobs.cli.render.tables import print_json, say
from jobs.domain.states import State


@click.command()
@click.argument("batch", metavar="BATCH")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="Stop watching after this time, with exit code 6.",
)
@outage_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON at the end.")
@pass_app
def watch(
    app: App, /, *, batch: str, timeout: float | None, outage: float | None, as_json: bool
) -> int:
    """Show a batch's progress until all its jobs have ended.

    If no job is running, the line ends with the reason. Ctrl-C stops watching, not the jobs.
    Exit codes: 0 nothing failed, 5 jobs failed or all were cancelled, 6 --timeout passed,
    7 the database was away for longer than --outage, 130 interrupted.
    """
    from jobs.cli.render.progress import follow
    from jobs.monitoring.progress import BatchProgress

    settings = app.settings(outage=outage)
    with app.store(settings) as store:
        # `2024/` is the batch of that name, as in `jobs.naming.find`.
        found = store.batches.get(batch.removesuffix("/"))
        progress = BatchProgress(store=store, batch=found, alive=settings.alive)
        mend = f"the jobs go on once it is back; `hymo watch {found.name}` shows them again"
        snapshot = follow(progress, outage=settings.outage, mend=mend, timeout=timeout)
    counts = {state.value: snapshot.counts.get(state, 0) for state in State}
    if as_json:
        print_json(
            {
                "schema": "hymo.watch/1",
                "batch": found.name,
                "finished": snapshot.finished,
                "counts": counts,
            }
        )
    else:
        states = ", ".join(f"{number} {state}" for state, number in counts.items() if number)
        say(f"batch {found.name}: {states or 'no jobs'}")
    if not snapshot.finished:
        return ExitCode.TIMED_OUT
    return ExitCode.JOBS_FAILED if snapshot.fruitless else ExitCode.OK
