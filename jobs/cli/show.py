"""`hymo show`: all details of jobs, or a summary of batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from jobs.cli.context import App, pass_app
from jobs.cli.options.filters import waiting_for
from jobs.cli.render.tables import print_json
from jobs.naming import find

if TYPE_CHECKING:
    from jobs.domain.batches import Batch
    from jobs.store.history.jobrow import JobRow


@click.command()
@click.argument("names", metavar="JOB|BATCH...", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_app
def show(app: App, /, *, names: tuple[str, ...], as_json: bool) -> None:
    """Show all details of jobs, or a summary of batches.

    JOB is an id, batch/row as in `night/wave` (all its seeds) or batch/row_sSEED; anything else is
    a batch. The details of a job are why it waits, its files, and each attempt with its phases and
    error.
    """
    from jobs.cli.render.batch import print_batch
    from jobs.cli.render.job import print_job
    from jobs.documents.batch import batch_document
    from jobs.documents.job import job_document

    jobs: list[JobRow] = []
    batches: list[Batch] = []
    with app.store() as store:
        for name in names:
            meant = find(store, name)
            if isinstance(meant, tuple):
                jobs += meant
            else:
                batches.append(meant)
        waiting = waiting_for(app, store)
        if as_json:
            print_json(
                {
                    "schema": "hymo.show/1",
                    "jobs": [job_document(store, job, waiting) for job in jobs],
                    "batches": [batch_document(store, batch) for batch in batches],
                }
            )
            return
        for number, job in enumerate(jobs):
            click.echo("\n" * bool(number), nl=False)
            print_job(store, job, waiting)
        for number, batch in enumerate(batches):
            click.echo("\n" * bool(number or jobs), nl=False)
            print_batch(store, batch)
