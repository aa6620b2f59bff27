"""`hymo up`: everything a machine needs to take jobs."""

from __future__ import annotations

import os
import signal
import threading

import click

from jobs.cli.context import App, pass_app
from worker.cli.machine import machine_crew, machine_options

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
    app: App, devices: str, memory: float | None, modes: str, models: str, grace: float | None
) -> int:
    """Run this machine's workers until Ctrl-C or SIGTERM.

    Starts the embedded broker when none is configured, one worker a device, restarts what dies,
    and publishes again what got lost. On the first signal workers finish the pack in hand; a
    second one ends them at once.
    """
    from worker.crew import Fallen
    from worker.home import HomeLock
    from worker.log import log_to_stderr
    from worker.plan import plan
    from worker.station import Station

    log_to_stderr()
    crew = machine_crew(devices, memory, modes, models)
    for options in crew:
        plan(options)  # a wrong device or budget is said here, not in a log file
    settings = app.settings()
    stop = threading.Event()

    def on_signal(_number: int, _frame: object) -> None:
        if stop.is_set():
            station.crew.kill()
        stop.set()

    fallen: list[Fallen] = []
    with app.store(settings) as store, HomeLock(settings.home):
        station = Station(
            store=store, settings=settings, workers=crew, environ=os.environ, grace=grace
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, on_signal)
        with station:
            workers = ", ".join(options.device for options in crew)
            click.echo(f"up in {settings.home} on {workers}; Ctrl-C drains", err=True)
            while not stop.wait(EVERY) and not station.crew.hopeless:
                fallen = station.look() or fallen
    return 0 if stop.is_set() else fallen[-1].code
