"""Print the result or the plan of a submit, as text or JSON; used by `submit` and `run`."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from jobs.cli.render.notes import (
    note_folder,
    note_reading,
    note_reread,
    note_rewrites,
    note_unfamiliar,
)
from jobs.cli.render.tables import Column, note, print_json, print_table, say
from jobs.cli.render.text import clean, plural
from jobs.documents.submission import (
    plan_document,
    result_document,
)
from jobs.domain.names import safe_name
from jobs.promptfile.source import STREAM
from jobs.submission.cap import ASKED

if TYPE_CHECKING:
    from jobs.promptfile.problem import Problem
    from jobs.promptfile.source import Source
    from jobs.settings import Settings
    from jobs.submission.cap import Confirm
    from jobs.submission.check import Progress
    from jobs.submission.result import SubmitResult
    from jobs.submission.router import PlannedClass, SubmitPlan

#: Seconds between updates of the progress on a terminal, and elsewhere.
EVERY = 0.2
SELDOM = 10.0
REWRITING, SUBMITTING = "rewriting", "submitting"
#: Number of problems of invalid rows listed on stderr; the file beside the input has them all.
REPEATED = 5
#: Number of metadata columns listed before `and N more`.
NAMED = 8


def print_result(
    result: SubmitResult, source: Source, settings: Settings, *, as_json: bool
) -> None:
    """Print the counts to stdout and notes to stderr.

    The caller prints `note_refused` at the end.
    """
    if as_json:
        print_json(result_document(result))
    else:
        counts = (
            f"{result.new} new, {result.existing} existing, {result.changed} changed, "
            f"{result.cached} cached"
        )
        invalid = f", {plural(result.invalid, 'invalid row')}" if result.invalid else ""
        more = "".join(
            f", {number} {what}"
            for number, what in (
                (result.updated, "updated"),
                (result.reprioritised, "with another priority"),
                (result.respelt, "left out"),
            )
            if number
        )
        say(f"batch {result.batch.name}: {counts}{more}{invalid}")
        if result.auto:
            say(f"auto chose {_auto(result.auto)}")
        say(f"files go to {clean(str(Path(result.batch.output) / result.batch.name))}")
    note_reading(source, result.reading)
    note_invalid(result.invalid, result.problems, source)
    if result.invalid_file is not None:
        from jobs.promptfile.invalid import earlier_paths

        path = clean(str(result.invalid_file))
        note(f"note: what is left out is in {path}; fix it there and add it to the batch with")
        # Not `note`, which may break the command.
        command = f"hymo submit {shlex.quote(path)} --batch {result.batch.name}"
        click.echo(f"      {command}", err=True)
        *earlier, _ = earlier_paths(result.invalid_file)
        if earlier:
            note(f"note: an earlier version of that file is kept as {clean(str(earlier[-1]))}")
    note_rewrites(result.rewrites)
    note_file(result.metadata, result.untrained)
    note_unfamiliar(result.unfamiliar)
    if result.requeued:
        jobs = plural(result.requeued, "job")
        note(f"note: {jobs} queued again: files were missing")
    _note_batch(result, source, settings)
    note_folder(result.batch, result.folder)
    note_auto(result.auto, manned=result.manned)
    note_misfits(result.misfits)
    _note_delivery(result, settings)


def print_plan(plan: SubmitPlan, source: Source, settings: Settings, *, as_json: bool) -> None:
    """Print the classes to stdout and notes to stderr."""
    if as_json:
        print_json(plan_document(plan))
    else:
        rows = plural(plan.rows, "row")
        new = "" if plan.new == plan.jobs else f", {plan.new} of them new"
        say(f"batch {plan.batch} would be {plural(plan.jobs, 'job')} of {rows}{new}")
        columns = (
            Column("QUEUE"),
            Column("MODEL"),
            Column("JOBS", align="right"),
            Column("FRAMES", align="right"),
            Column("WORKERS", flexible=True),
        )
        print_table(columns, [_plan_row(each) for each in plan.classes])
        if plan.auto:
            say(f"auto would choose {_auto(plan.auto)}")
    note_reading(source, plan.reading)
    note_invalid(plan.invalid, plan.problems, source)
    note_rewrites(plan.rewrites)
    note_file(plan.metadata, plan.untrained)
    note_unfamiliar(plan.unfamiliar)
    if 0 < settings.max_jobs < plan.new:
        note(f"warning: submit refuses more than HYMO_MAX_JOBS={settings.max_jobs} new jobs")
    elif plan.new > ASKED:
        note(f"note: more than {ASKED} new jobs: submit asks for confirmation, or takes --yes")
    note_auto(plan.auto, manned=plan.manned)
    for each in plan.classes:
        note_misfits(each.misfits)


def note_invalid(invalid: int, problems: Sequence[Problem], source: Source) -> None:
    """Print the first problems of the rows left out."""
    if not invalid:
        return
    note(f"warning: {plural(invalid, 'row')} left out:")
    for problem in problems[:REPEATED]:
        note(f"  {problem.located(source.name)}")
    if invalid > REPEATED:
        note("  …")


def note_file(metadata: Sequence[str], untrained: Sequence[str]) -> None:
    """Print the columns kept as metadata, since one may be misspelt, and the test engines."""
    if metadata:
        named = ", ".join(clean(name) for name in metadata[:NAMED])
        more = f" and {len(metadata) - NAMED} more" if len(metadata) > NAMED else ""
        note(f"note: kept as metadata: {named}{more}")
    for model in untrained:
        note(f"note: model {model} is an engine for tests: its output is not a real motion")


def note_auto(auto: Mapping[str, int], *, manned: bool) -> None:
    """Note that `auto` became lite since there were no workers."""
    if auto and not manned:
        note(
            "note: no worker is live yet, so auto became lite; start `hymo up` first and see "
            "`hymo workers`, or give --mode full"
        )


def note_refused(result: SubmitResult, source: Source, *, update: bool) -> None:
    """Warn of jobs that the batch does not have as the file asks for them."""
    if result.respelt:
        note(f"warning: {plural(result.respelt, 'job')} left out for the spelling of the id:")
        for problem in result.respelt_rows[:REPEATED]:
            note(f"  {problem.located(source.name)}")
        if len(result.respelt_rows) > REPEATED:
            note("  …")
    if not result.changed:
        return
    if update:
        _list_changed(result)
    else:
        named = ", ".join(f"{custom_id} seed {seed}" for custom_id, seed in result.changed_rows)
        more = ", …" if result.changed > len(result.changed_rows) else ""
        note(
            f"warning: {plural(result.changed, 'job is', 'jobs are')} unchanged: batch "
            f"{result.batch.name} asked for something else before ({named}{more}); to make what "
            "the file asks for now, replace what has not begun with --update, submit under "
            "another --batch name or give the rows other ids"
        )
    note_reread(result.reading)


def _list_changed(result: SubmitResult) -> None:
    jobs = plural(result.changed, "changed job has", "changed jobs have")
    note(f"warning: batch {result.batch.name}: {jobs} begun or ended and cannot be replaced:")
    for custom_id, seed in result.changed_rows:
        note(f"  {custom_id} seed {seed}")
    if result.changed > len(result.changed_rows):
        note(f"  … and {result.changed - len(result.changed_rows)} more")
    note(
        "to make what the file asks for now, submit under another --batch name "
        "or give the rows other ids"
    )


def note_misfits(misfits: Mapping[str, int]) -> None:
    """Warn of jobs that stay queued until a suitable worker starts."""
    for reason, count in sorted(misfits.items(), key=lambda item: -item[1]):
        note(f"warning: {plural(count, 'job')}: {reason}")


def _note_batch(result: SubmitResult, source: Source, settings: Settings) -> None:
    batch = result.batch
    if result.made and result.made != (safe_name(source.stem),):
        others = [name for name in result.made if name != batch.name]
        so = "so was" if len(others) == 1 else "so were"
        also = f" ({so} {', '.join(others)})" if others else ""
        note(
            f"note: batch {batch.name} was made from this file{also} and goes on; "
            "another --batch name begins a new one"
        )
    elif batch.source != source.origin and batch.name == safe_name(source.stem):
        note(
            f"note: batch {batch.name} was first made from {clean(batch.source)}; "
            "to keep files apart, give each its own --batch name"
        )
    if batch.output != str(settings.output):
        note(
            f"warning: batch {batch.name} keeps its output folder {clean(batch.output)}; "
            "for another one, submit under another --batch name"
        )


def _note_delivery(result: SubmitResult, settings: Settings) -> None:
    if result.undelivered is None:
        return
    if settings.embedded:
        note("note: the embedded broker is not running; the jobs wait for `hymo up` or a worker")
    else:
        note(
            f"warning: {result.undelivered.service} {result.undelivered.url} is unreachable "
            f"({result.undelivered.reason}); the jobs are stored, "
            "and delivery follows when `hymo up` or a worker runs"
        )


def _auto(chosen: Mapping[str, int]) -> str:
    return ", ".join(f"{mode} for {plural(n, 'job')}" for mode, n in sorted(chosen.items()))


def _plan_row(each: PlannedClass) -> tuple[str, ...]:
    low, high = each.frames
    frames = str(low) if low == high else f"{low}–{high}"
    workers = ", ".join(each.workers) or "none fits"
    return each.queue, each.model, str(each.jobs), frames, workers


def confirmation(source: Source) -> Confirm:
    """Asks on the terminal whether to submit many new jobs; refuses without a terminal."""

    def confirm(new: int) -> bool:
        if source.origin == STREAM or not (sys.stdin.isatty() and sys.stderr.isatty()):
            return False
        click.echo("\r\x1b[K", nl=False, err=True)  # over the line of progress
        return click.confirm(f"{clean(source.name)} makes {new} new jobs; submit them?", err=True)

    return confirm


@contextmanager
def progress_line(*, rewriting: bool) -> Iterator[Progress | None]:
    """A progress line on stderr that is updated in place. If stderr is not a terminal, a line every
    few seconds while prompts are rewritten, since that may take minutes."""
    terminal = sys.stderr.isatty()
    if not (terminal or rewriting):
        yield None
        return
    every = EVERY if terminal else SELDOM
    due = time.monotonic() + every

    def show(stage: str, done: int, total: int) -> None:
        nonlocal due
        now = time.monotonic()
        if now >= due and (terminal or stage == REWRITING):
            due = now + every
            unit = "jobs" if stage == SUBMITTING else "rows"
            of = f" of {total} {unit}" if total else f" {unit}"
            start = "\r\x1b[K" if terminal else ""
            click.echo(f"{start}{stage}: {done}{of}", nl=not terminal, err=True)

    try:
        yield show
    finally:
        if terminal:
            click.echo("\r\x1b[K", nl=False, err=True)
