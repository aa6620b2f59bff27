"""The summary of a batch in `hymo show`."""

from __future__ import annotations

from pathlib import Path

import click

from jobs.cli.render.stats import print_groups
from jobs.cli.render.tables import print_pairs, say
from jobs.cli.render.text import local_time, plural
from jobs.domain.batches import Batch
from jobs.domain.states import State
from jobs.store.history.stats import AttemptFilter
from jobs.store.store import Store


def print_batch(store: Store, batch: Batch) -> None:
    """Print the batch, its jobs by state, and the statistics of its attempts."""
    counts = store.batches.counts(batch.id)
    states = ", ".join(f"{counts[state]} {state}" for state in State if counts.get(state))
    folder = Path(batch.output) / batch.name
    print_pairs(
        f"batch {batch.name}",
        {
            "jobs": f"{sum(counts.values())}: {states}" if states else "none",
            "paused": f"yes: `hymo resume {batch.name}` resumes it" if batch.paused else "",
            "submitted": local_time(batch.created_at),
            "source": batch.source,
            "files": str(folder),
        },
    )
    groups = store.stats.groups(AttemptFilter(batch_id=batch.id), encoding=True)
    if groups:
        click.echo()
        print_groups(groups)
    failed = counts.get(State.FAILED, 0)
    if failed:
        click.echo()
        say(
            f"{plural(failed, 'job')} failed: "
            f"`hymo history --batch {batch.name} --state failed` lists them, "
            f"`hymo retry --batch {batch.name}` tries them again"
        )
