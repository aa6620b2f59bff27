"""`hymo pause` and `hymo resume`."""

from __future__ import annotations

import click

from jobs.cli.context import App, pass_app
from jobs.cli.render.tables import say
from jobs.domain.states import State


@click.command()
@click.argument("batch", metavar="BATCH")
@pass_app
def pause(app: App, /, *, batch: str) -> None:
    """Stop starting jobs of a batch; running ones finish."""
    with app.store() as store:
        found = store.batches.pause(batch)
        left = store.batches.counts(found.id)
    say(f"paused {found.name}: {_waiting(left)}; `hymo resume {found.name}` resumes it")


@click.command()
@click.argument("batch", metavar="BATCH")
@pass_app
def resume(app: App, /, *, batch: str) -> None:
    """Resume a paused batch."""
    from jobs.cli.deliver import deliver

    settings = app.settings()
    with app.store(settings) as store:
        found = store.batches.resume(batch)
        left = store.batches.counts(found.id)
        deliver(store, settings)
    say(f"resumed {found.name}: {_waiting(left)}")


def _waiting(counts: dict[State, int]) -> str:
    queued, running = counts.get(State.QUEUED, 0), counts.get(State.RUNNING, 0)
    return f"{queued} queued, {running} running"
