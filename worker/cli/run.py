"""`hymo run`: everything in one, from a file of prompts to files of motions."""

from __future__ import annotations

import logging
import os
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from jobs.cli.context import App, pass_app
from jobs.cli.defaults import default_options, file_options
from jobs.cli.faults import ExitCode
from worker.cli.machine import machine_crew, machine_options
from worker.errors import CrewFallenError

if TYPE_CHECKING:
    from jobs.progress import Snapshot
    from jobs.promptfile.defaults import Defaults
    from jobs.records import Batch
    from jobs.settings import Settings
    from jobs.store.store import Store
    from worker.options import WorkerOptions
    from worker.station import Station


@click.command()
@file_options
@default_options
@machine_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_app
def run(
    app: App,
    *,
    file: str,
    defaults: Defaults,
    format_name: str | None,
    batch: str | None,
    output: str | None,
    skip_invalid: bool,
    no_cache: bool,
    devices: str,
    memory: float | None,
    modes: str,
    models: str,
    as_json: bool,
) -> int:
    """Make the motions a file of prompts asks for, on this machine, now.

    Starts the embedded broker and one worker a device, submits FILE, shows progress and ends with
    a summary. Where `hymo up` runs in the same home already, its workers do the work. Ctrl-C keeps
    what is done; running the same file again goes on from there.
    """
    from contextlib import closing

    from jobs.cli.output import print_json
    from jobs.cli.submitted import print_result
    from jobs.promptfile.source import open_source
    from jobs.publish import Publisher
    from jobs.submit import Submitter
    from worker.cli.summary import print_summary, run_document
    from worker.plan import plan

    began = time.monotonic()
    settings = app.settings(output=output)
    crew = machine_crew(devices, memory, modes, models)
    offers = [plan(options).offer for options in crew]
    with (
        open_source(file, format_name=format_name, stdin=sys.stdin.buffer) as source,
        app.store(settings) as store,
    ):
        with closing(Publisher(settings)) as publisher:
            submitter = Submitter(
                store=store, publisher=publisher, settings=settings, offers=offers
            )
            result = submitter.submit(
                source, defaults, batch=batch, skip_invalid=skip_invalid, cache=not no_cache
            )
        if not as_json:
            # Delivery is ours, a moment later: what the submit says of it does not apply.
            print_result(replace(result, undelivered=None), source, settings, as_json=False)
        snapshot = _work(store, settings, result.batch, crew)
        seconds = time.monotonic() - began
        if as_json:
            print_json(run_document(result.batch, snapshot, seconds))
        else:
            print_summary(store, result.batch, snapshot, seconds, result.untrained)
    return ExitCode.JOBS_FAILED if snapshot.failed else ExitCode.OK


def _work(
    store: Store, settings: Settings, batch: Batch, crew: tuple[WorkerOptions, ...]
) -> Snapshot:
    """Follow the batch to its end, with a station of our own unless one is up already."""
    from jobs.cli.progress import follow
    from jobs.progress import BatchProgress
    from worker.errors import AlreadyUpError
    from worker.home import HomeLock
    from worker.log import log_to_stderr
    from worker.station import Station

    progress = BatchProgress(store=store, batch=batch)
    first = progress.snapshot()
    if first.finished:
        return first
    log_to_stderr(logging.WARNING)
    try:
        with HomeLock(settings.home):
            station = Station(store=store, settings=settings, workers=crew, environ=os.environ)
            with station:
                return follow(progress, meanwhile=lambda: _look(station))
    except AlreadyUpError:
        click.echo("`hymo up` runs in this home: its workers do the work", err=True)
        return follow(progress)


def _look(station: Station) -> None:
    fallen = station.look()
    if station.crew.hopeless:
        raise CrewFallenError(fallen[-1].log)
