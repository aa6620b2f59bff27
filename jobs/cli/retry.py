"""`hymo retry`: queue ended jobs again."""

from __future__ import annotations

import click

from jobs.cli.context import App, pass_app
from jobs.cli.options.filters import FAILURES, Words
from jobs.cli.options.names import find_jobs, one_of
from jobs.cli.render.tables import note, print_json
from jobs.cli.render.text import plural
from jobs.domain.states import Failure, State

ENDED = ("failed", "cancelled", "succeeded")


@click.command()
@click.argument("names", metavar="[JOB]...", nargs=-1)
@click.option("--batch", metavar="NAME", help="Jobs of this batch.")
@click.option(
    "--state",
    "states",
    type=Words(ENDED),
    metavar="STATE,…",
    help="Only jobs in this state: failed, cancelled, succeeded. [default: failed,cancelled]",
)
@click.option(
    "--failure",
    type=click.Choice(FAILURES),
    metavar="KIND",
    help=f"Only jobs with this failure: {', '.join(FAILURES)}.",
)
@click.option("--force", is_flag=True, help="Also make succeeded jobs again; replaces their files.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_app
def retry(
    app: App,
    /,
    *,
    names: tuple[str, ...],
    batch: str | None,
    states: tuple[str, ...] | None,
    failure: str | None,
    force: bool,
    as_json: bool,
) -> None:
    """Try failed and cancelled jobs again.

    JOB is an id, or batch/row as in `night/wave`. Each job gets as many attempts as a new one;
    its earlier attempts stay in history.
    """
    one_of(names, batch)
    wanted = {State(state) for state in states or ENDED[:2]}
    if State.SUCCEEDED in wanted and not force:
        raise click.UsageError("--state succeeded needs --force: it replaces their files")
    if force and states is None:
        wanted.add(State.SUCCEEDED)
    settings = app.settings()
    with app.store(settings) as store:
        batch_id = None if batch is None else store.batches.get(batch).id
        found = find_jobs(store, names)
        count = store.control.retry(
            [job.id for job in found] if batch_id is None else None,
            batch_id=batch_id,
            states=wanted,
            failure=None if failure is None else Failure(failure),
            max_attempts=settings.max_attempts,
            force=force,
        )
        from jobs.artifacts.mark import lay
        from jobs.cli.render.notes import note_folder

        # Their folders may have been deleted.
        for name in sorted({job.batch for job in found} if batch is None else {batch}):
            meant = store.batches.get(name)
            note_folder(meant, lay(store, meant, settings))
        if count:
            from jobs.cli.deliver import deliver

            deliver(store, settings)
    if as_json:
        print_json({"schema": "hymo.retry/1", "queued": count})
        return
    click.echo(f"queued {plural(count, 'job')} again")
    if not force and any(job.state == State.SUCCEEDED for job in found):
        note("note: succeeded jobs are made again only with --force")
    if any(job.state in {State.QUEUED, State.RUNNING} for job in found):
        note("note: jobs that have not ended are left unchanged")
