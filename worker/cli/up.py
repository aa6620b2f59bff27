"""`hymo up`: runs the broker and the workers of a machine."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from jobs.cli.context import App, pass_app
from jobs.cli.render.tables import note
from worker.cli.machine import machine_options, say_stopping

if TYPE_CHECKING:
    from worker.options import WorkerOptions
    from worker.supervision.supervisor import Exit

#: Seconds between two checks of the server and the workers.
EVERY = 0.5


@click.command()
@machine_options
@click.option(
    "--grace",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="End workers that have not drained after SECONDS. [default: wait]",
)
@pass_app
def up(app: App, /, *, workers: tuple[WorkerOptions, ...], grace: float | None) -> int:
    """Run this machine's workers until Ctrl-C, SIGTERM or SIGHUP.

    Starts the embedded broker if none is configured, and one worker per device; restarts processes
    that exit, and publishes lost messages again. If the database goes away, it waits for it. On the
    first signal workers finish their running pack; a second one ends them at once.
    """
    from jobs.delivery.broker import require_trust
    from jobs.domain.catalog import Catalog
    from worker.locks import HomeLock
    from worker.log import log_to_stderr
    from worker.planning.plan import plan
    from worker.supervision.node import Node
    from worker.supervision.signals import StopSignals

    settings = app.settings()
    log_to_stderr(settings)
    catalog = Catalog.read(settings.home)
    for options in workers:
        plan(options, catalog)  # a wrong device or budget fails here, not only in a worker's log
    require_trust(settings)
    exits: list[Exit] = []
    with app.store(settings) as store, HomeLock(settings.home), StopSignals() as stop:
        node = Node(
            store=store,
            settings=settings,
            workers=workers,
            environ=os.environ,
            grace=grace,
            hurry=lambda: stop.hurried,
        )
        with node:
            devices = ", ".join(options.device for options in workers)
            note(f"up in {settings.home} on {devices}; Ctrl-C drains")
            while not stop.asked and not node.supervisor.exhausted:
                exits = node.check() or exits
                stop.wait(EVERY)
            if stop.asked:
                say_stopping(node)
    return 0 if stop.asked else exits[-1].code
