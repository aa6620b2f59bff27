"""`hymo run`: samples the motions of a prompt file, from submission to summary."""

from __future__ import annotations

import logging
import os
import sys
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import click

from jobs.cli.context import App, pass_app
from jobs.cli.faults import ExitCode
from jobs.cli.options.outage import outage_option
from jobs.cli.options.rewriting import RewriteChoice, rewrite_options
from jobs.cli.options.submission import default_options, file_options
from jobs.cli.render.notes import note_reading, note_rewrites
from jobs.cli.render.tables import note, print_json
from jobs.cli.render.text import plural
from jobs.documents.submission import rewrite_document
from jobs.errors import OutageError, UnreachableError
from worker.cli.machine import machine_options, say_stopping

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.domain.batches import Batch
    from jobs.domain.routing import Offer
    from jobs.monitoring.progress import BatchProgress, ProgressSnapshot
    from jobs.promptfile.defaults import Defaults
    from jobs.settings import Settings
    from jobs.store.history.backlog import Ahead
    from jobs.store.store import Store
    from worker.options import WorkerOptions
    from worker.supervision.signals import StopSignals
    from worker.supervision.standby import Standby
    from worker.supervision.stuck import StuckCheck

AGAIN = "run the same file again to continue"
#: The end of the error if the database stays away.
AWAY = f"finished motions are kept; once it is back, {AGAIN}"


@click.command()
@file_options
@default_options
@rewrite_options
@machine_options
@outage_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_app
def run(
    app: App,
    *,
    file: str,
    defaults: Defaults,
    rewrite: RewriteChoice,
    format_name: str | None,
    encoding: str | None,
    batch: str | None,
    output: str | None,
    skip_invalid: bool,
    no_cache: bool,
    update: bool,
    yes: bool,
    workers: tuple[WorkerOptions, ...],
    outage: float | None,
    as_json: bool,
) -> int:
    """Sample the motions of a prompt file on this machine now.

    Starts the embedded broker and one worker per device, submits FILE, shows progress and prints a
    summary at the end. If `hymo up` or another `hymo run` already owns the home, its workers run
    the jobs, and this command starts its own workers when the other one exits. The first Ctrl-C
    finishes running motions, a second one ends them at once. Finished motions are kept; running
    the same file again continues from there. Exits with 1 if the remaining jobs cannot run here
    (the batch is paused, or no worker fits), or if rows have changed since they were first
    submitted (see --update), or if the batch of this name is another file's. Exits with 7 if the
    database is away for longer than --outage.
    """
    from contextlib import closing

    from jobs.cli.render.submission import confirmation, note_refused, print_result, progress_line
    from jobs.delivery.broker import require_trust
    from jobs.delivery.publisher import Publisher
    from jobs.domain.catalog import Catalog
    from jobs.domain.outage import Outage
    from jobs.promptfile.source import open_source
    from jobs.submission.submitter import Submitter
    from worker.cli.summary import catch_up, print_summary, run_document
    from worker.execution.database_retry import DatabaseRetry
    from worker.planning.plan import plan

    began = time.monotonic()
    settings = app.settings(output=output, outage=outage)
    retry = DatabaseRetry(outage=Outage(say=note), mend=AWAY, longest=settings.outage)
    catalog = Catalog.read(settings.home)
    offers = [plan(options, catalog).offer for options in workers]
    require_trust(settings)
    with (
        open_source(
            file, format_name=format_name, stdin=sys.stdin.buffer, encoding=encoding
        ) as source,
        app.store(settings) as store,
    ):
        with (
            rewrite.open(settings) as rewriting,
            closing(Publisher(settings)) as publisher,
            progress_line(rewriting=rewrite.asked) as progress,
        ):
            submitter = Submitter(
                store=store, publisher=publisher, settings=settings, offers=offers,
                rewriting=rewriting,
            )  # fmt: skip
            choice = {"skip_invalid": skip_invalid, "cache": not no_cache, "update": update}
            confirm = None if yes else confirmation(source)
            result = submitter.submit(
                source, defaults, batch=batch, **choice, confirm=confirm, progress=progress
            )
        if not as_json:
            # This command delivers the jobs itself, so the submission's delivery note is dropped.
            print_result(replace(result, undelivered=None), source, settings, as_json=False)
        else:
            note_reading(source, result.reading)
            note_rewrites(result.rewrites)
        snapshot = _work(store, settings, result.batch, workers, offers)
        if not snapshot.finished:
            return ExitCode.INTERRUPTED
        retry.call(catch_up, store, result.batch)
        seconds = time.monotonic() - began
        if as_json:
            document = run_document(result, snapshot, seconds)
            print_json(document | {"rewrite": rewrite_document(result.rewrites)})
        else:
            print_summary(store, result.batch, snapshot, seconds, result.untrained)
        note_refused(result, source, update=update)
    if result.refused and not snapshot.fruitless:
        return ExitCode.ERROR
    return ExitCode.JOBS_FAILED if snapshot.fruitless else ExitCode.OK


def _work(
    store: Store,
    settings: Settings,
    batch: Batch,
    workers: tuple[WorkerOptions, ...],
    offers: Sequence[Offer],
) -> ProgressSnapshot:
    """Follow the batch to its end or until asked to stop.

    While no other process owns the home, a node of this process runs the jobs.
    """
    from jobs.monitoring.progress import BatchProgress
    from worker.locks import HomeLock
    from worker.log import log_to_stderr
    from worker.supervision.node import Node
    from worker.supervision.signals import StopSignals
    from worker.supervision.standby import Standby
    from worker.supervision.stuck import StuckCheck

    first = BatchProgress(store=store, batch=batch, alive=settings.alive).snapshot()
    if first.finished:
        return first
    stuck = StuckCheck(store=store, batch=batch, offers=offers, alive=settings.alive)
    stuck.check()  # fail before starting anything if no worker can run the jobs
    _say_ahead(store.backlog.ahead(batch.id, stuck.offers()))
    log_to_stderr(settings, logging.WARNING)
    with StopSignals() as stop:
        node = partial(
            Node,
            store=store,
            settings=settings,
            workers=workers,
            environ=os.environ,
            hurry=lambda: stop.hurried,
        )
        with Standby(lock=HomeLock(settings.home), node=node, say=note) as standby:
            progress = BatchProgress(
                store=store,
                batch=batch,
                alive=settings.alive,
                starting=lambda: offers if standby.starts() else (),
            )
            try:
                ended = _follow(progress, standby, stuck, stop, outage=settings.outage)
            except OutageError:
                _say_stopping(standby)
                raise
            if ended is None:
                _say_stopping(standby)
        return ended or _stopped(progress, standby.owner)


def _say_stopping(standby: Standby) -> None:
    if standby.node is not None:
        say_stopping(standby.node)


def _stopped(progress: BatchProgress, owner: str | None) -> ProgressSnapshot:
    """The progress after running motions have finished; prints a note on how to continue."""
    from jobs.monitoring.progress import UNKNOWN

    try:
        last = progress.snapshot()
    except UnreachableError as error:
        note(f"{error}; {AGAIN}")
        return replace(UNKNOWN, away=0.0)
    if not last.finished:
        next_step = AGAIN if owner is None else f"process {owner} continues"
        note(f"{last.done} of {last.total} done; {next_step}")
    return last


def _follow(
    progress: BatchProgress,
    standby: Standby,
    stuck: StuckCheck,
    stop: StopSignals,
    *,
    outage: float,
) -> ProgressSnapshot | None:
    """The progress at the end of the batch; None if asked to stop before."""
    from jobs.cli.render.progress import follow
    from worker.errors import StoppedError

    def check() -> None:
        if stop.asked:
            raise StoppedError
        standby.check()
        stuck.check()

    try:
        return follow(progress, outage=outage, mend=AWAY, meanwhile=check, sleep=stop.wait)
    except StoppedError:
        return None


def _say_ahead(found: Ahead) -> None:
    if found.jobs:
        jobs = "job of another batch is" if found.jobs == 1 else "jobs of other batches are"
        note(f"{found.jobs} {jobs} queued ahead")
    if found.batches:
        note(f"the batch takes turns with {plural(found.batches, 'other batch', 'other batches')}")
