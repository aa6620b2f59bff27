"""`hymo run`: everything in one, from a file of prompts to files of motions."""

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
from jobs.cli.options.rewriting import RewriteChoice, rewrite_options
from jobs.cli.options.submission import default_options, file_options
from jobs.cli.render.notes import note_rewrites
from jobs.cli.render.tables import note, print_json
from jobs.documents.submission import rewrite_document
from worker.cli.machine import machine_options, say_stopping

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.domain.batches import Batch
    from jobs.domain.routing import Offer
    from jobs.monitoring.progress import BatchProgress, ProgressSnapshot
    from jobs.promptfile.defaults import Defaults
    from jobs.settings import Settings
    from jobs.store.store import Store
    from worker.options import WorkerOptions
    from worker.supervision.signals import StopSignals
    from worker.supervision.standby import Standby
    from worker.supervision.stuck import StuckCheck

AGAIN = "run the same file again to go on"


@click.command()
@file_options
@default_options
@rewrite_options
@machine_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_app
def run(
    app: App,
    *,
    file: str,
    defaults: Defaults,
    rewrite: RewriteChoice,
    format_name: str | None,
    batch: str | None,
    output: str | None,
    skip_invalid: bool,
    no_cache: bool,
    workers: tuple[WorkerOptions, ...],
    as_json: bool,
) -> int:
    """Make the motions a file of prompts asks for, on this machine, now.

    Starts the embedded broker and one worker a device, submits FILE, shows progress and ends with
    a summary. Where `hymo up` or another `hymo run` has the home already, its workers do the work,
    and ours start when it ends. Ctrl-C finishes the motions in hand, a second one ends them at
    once; what is done is kept, and running the same file again goes on from there. Ends with 1
    when nothing that is left can be done here: the batch is paused, or no worker fits; also when
    rows changed since they were first submitted, whose jobs stay as they were.
    """
    from contextlib import closing

    from jobs.cli.render.submission import note_changed, print_result, progress_line
    from jobs.delivery.publisher import Publisher
    from jobs.domain.catalog import Catalog
    from jobs.promptfile.source import open_source
    from jobs.submission.submitter import Submitter
    from worker.cli.summary import catch_up, print_summary, run_document
    from worker.planning.plan import plan

    began = time.monotonic()
    settings = app.settings(output=output)
    catalog = Catalog.read(settings.home)
    offers = [plan(options, catalog).offer for options in workers]
    with (
        open_source(file, format_name=format_name, stdin=sys.stdin.buffer) as source,
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
            choice = {"skip_invalid": skip_invalid, "cache": not no_cache}
            result = submitter.submit(source, defaults, batch=batch, **choice, progress=progress)
        if not as_json:
            # Delivery is ours, a moment later: what the submit says of it does not apply.
            print_result(replace(result, undelivered=None), source, settings, as_json=False)
        else:
            note_rewrites(result.rewrites)
        snapshot = _work(store, settings, result.batch, workers, offers)
        if not snapshot.finished:
            return ExitCode.INTERRUPTED
        catch_up(store, result.batch)
        seconds = time.monotonic() - began
        if as_json:
            document = run_document(result.batch, snapshot, seconds, result.unfamiliar)
            print_json(document | {"rewrite": rewrite_document(result.rewrites)})
        else:
            print_summary(store, result.batch, snapshot, seconds, result.untrained)
        note_changed(result)
    if result.changed and not snapshot.fruitless:
        return ExitCode.ERROR
    return ExitCode.JOBS_FAILED if snapshot.fruitless else ExitCode.OK


def _work(
    store: Store,
    settings: Settings,
    batch: Batch,
    workers: tuple[WorkerOptions, ...],
    offers: Sequence[Offer],
) -> ProgressSnapshot:
    """Follow the batch to its end or until asked to stop, with a node of our own while no other
    process owns the home."""
    from jobs.monitoring.progress import BatchProgress
    from worker.locks import HomeLock
    from worker.log import log_to_stderr
    from worker.supervision.node import Node
    from worker.supervision.signals import StopSignals
    from worker.supervision.standby import Standby
    from worker.supervision.stuck import StuckCheck

    progress = BatchProgress(store=store, batch=batch, alive=settings.alive)
    first = progress.snapshot()
    if first.finished:
        return first
    stuck = StuckCheck(store=store, batch=batch, offers=offers, alive=settings.alive)
    stuck.look()  # jobs that no worker will do are named before anything is started
    _say_ahead(store.backlog.ahead(batch.id, stuck.offers()))
    log_to_stderr(logging.WARNING)
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
            ended = _follow(progress, standby, stuck, stop)
            if ended is None and standby.node is not None:
                say_stopping(standby.node)
        return ended or _stopped(progress, standby.owner)


def _stopped(progress: BatchProgress, owner: str | None) -> ProgressSnapshot:
    """The batch after the motions in hand were finished; a note says how to go on."""
    last = progress.snapshot()
    if not last.finished:
        goes_on = AGAIN if owner is None else f"process {owner} goes on"
        note(f"{last.done} of {last.total} done; {goes_on}")
    return last


def _follow(
    progress: BatchProgress, standby: Standby, stuck: StuckCheck, stop: StopSignals
) -> ProgressSnapshot | None:
    """The batch at its end; None if asked to stop before."""
    from jobs.cli.render.progress import follow
    from worker.errors import StoppedError

    def look() -> None:
        if stop.asked:
            raise StoppedError
        standby.look()
        stuck.look()

    try:
        return follow(progress, meanwhile=look, sleep=stop.wait)
    except StoppedError:
        return None


def _say_ahead(number: int) -> None:
    if number:
        jobs = "job of another batch is" if number == 1 else "jobs of other batches are"
        note(f"{number} {jobs} queued ahead")
