"""`hymo cancel`: stop jobs."""

from __future__ import annotations

import click

from jobs.cli.context import App, pass_app
from jobs.cli.options.names import find_jobs, one_of
from jobs.cli.render.tables import print_json
from jobs.cli.render.text import plural


@click.command()
@click.argument("names", metavar="[JOB]...", nargs=-1)
@click.option("--batch", metavar="NAME", help="All jobs of this batch.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_app
def cancel(app: App, /, *, names: tuple[str, ...], batch: str | None, as_json: bool) -> None:
    """Cancel jobs; running ones stop at their next sampling step.

    JOB is an id, or batch/row as in `night/wave`. Jobs that have ended are left unchanged;
    `hymo retry` queues cancelled ones again.
    """
    one_of(names, batch)
    with app.store() as store:
        if batch is not None:
            done = store.control.cancel(batch_id=store.batches.get(batch).id)
        else:
            done = store.control.cancel([job.id for job in find_jobs(store, names)])
    if as_json:
        counts = {"cancelled": done.stopped, "stopping": done.asked, "ended": done.finished}
        print_json({"schema": "hymo.cancel/1", **counts})
        return
    parts = [f"cancelled {plural(done.stopped, 'queued job')}"]
    if done.asked:
        parts.append(f"stopping {plural(done.asked, 'running job')}")
    if done.finished:
        parts.append(f"{plural(done.finished, 'job')} had already ended")
    click.echo(", ".join(parts))
