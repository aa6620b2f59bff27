"""`hymo up`: everything a machine needs to take jobs."""

from __future__ import annotations

import os

import click

from jobs.cli.context import App, pass_app
from worker.cli.machine import machine_crew, machine_options
from worker.cli.stopping import say_stopping

#: Seconds between two looks at the server and the workers.
EVERY = 0.5


@click.command()
@machine_options
@click.option(
    "--grace",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="End workers that have not drained after this long. [default: wait]",
)
@pass_app
def up(
    app: App,
    devices: str,
    memory: float | None,
    modes: str,
    models: str | None,
    dtype: str,
    text_plan: str,
    quantise: str | None,
    grace: float | None,
) -> int:
    """Run this machine's workers until Ctrl-C, SIGTERM or SIGHUP.

    Starts the embedded broker when none is configured, one worker a device, restarts what dies,
    and publishes again what got lost. On the first signal workers finish the pack in hand; a
    second one ends them at once.
    """
    from jobs.domain.catalog import Catalog
    from worker.crew import Fallen
    from worker.home import HomeLock
    from worker.log import log_to_stderr
    from worker.plan import plan
    from worker.station import Station
    from worker.stop import Stop

    log_to_stderr()
    settings = app.settings()
    crew = machine_crew(
        devices, memory, modes, models, dtype=dtype, text_plan=text_plan, quantise=quantise
    )
    catalog = Catalog.read(settings.home)
    for options in crew:
        plan(options, catalog)  # a wrong device or budget is said here, not in a log file
    fallen: list[Fallen] = []
    with app.store(settings) as store, HomeLock(settings.home), Stop() as stop:
        station = Station(
            store=store,
            settings=settings,
            workers=crew,
            environ=os.environ,
            grace=grace,
            hurry=lambda: stop.hurried,
        )
        with station:
            workers = ", ".join(options.device for options in crew)
            click.echo(f"up in {settings.home} on {workers}; Ctrl-C drains", err=True)
            while not stop.asked and not station.crew.hopeless:
                fallen = station.look() or fallen
                stop.wait(EVERY)
            if stop.asked:
                say_stopping(station)
    return 0 if stop.asked else fallen[-1].code
