"""`hymo priority`: run queued jobs earlier or later."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from jobs.cli.context import App, pass_app
from jobs.cli.render.tables import print_json, say
from jobs.cli.render.text import plural
from jobs.domain.spec import MAX_PRIORITY
from jobs.domain.states import State
from jobs.naming import find

if TYPE_CHECKING:
    from jobs.domain.batches import Prioritised


# Without this setting, a negative priority would be read as an option.
@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("name", metavar="BATCH|JOB")
@click.argument("priority", metavar="N", type=click.IntRange(-MAX_PRIORITY, MAX_PRIORITY))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_app
def priority(app: App, /, *, name: str, priority: int, as_json: bool) -> None:
    """Give queued jobs another priority.

    JOB is an id, or batch/row as in `night/wave`; a BATCH stands for all its jobs. Jobs with a
    higher priority (-1000 to 1000) run first. Jobs that are running or have ended are left
    unchanged. Submitting the file again keeps the priority unless the file asks for another one.
    """
    with app.store() as store:
        meant = find(store, name)
        if isinstance(meant, tuple):
            done = store.control.prioritise(priority, [job.id for job in meant])
        else:
            done = store.control.prioritise(priority, batch_id=meant.id)
    running = done.left.get(State.RUNNING, 0)
    ended = sum(done.left.values()) - running
    if as_json:
        counts = {"changed": done.changed, "same": done.same, "running": running, "ended": ended}
        print_json({"schema": "hymo.priority/1", "priority": priority, **counts})
        return
    parts = [f"{plural(done.changed, 'queued job')} changed to priority {priority}"]
    if done.same:
        parts.append(f"{plural(done.same, 'job')} had it already")
    if running:
        parts.append(f"{plural(running, 'job')} already running")
    if ended:
        parts.append(f"{plural(ended, 'job')} had already ended")
    say(", ".join(parts) + _named(done))


def _named(done: Prioritised) -> str:
    """The jobs left unchanged, in brackets."""
    if not done.named:
        return ""
    more = ", …" if sum(done.left.values()) > len(done.named) else ""
    return f" ({', '.join(f'job {number} {state}' for number, state in done.named)}{more})"
