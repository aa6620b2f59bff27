"""`hymo submit`: queue the motions of a prompt file."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import click

from jobs.cli.context import App, pass_app
from jobs.cli.options.rewriting import RewriteChoice, rewrite_options
from jobs.cli.options.submission import default_options, file_options

if TYPE_CHECKING:
    from jobs.promptfile.defaults import Defaults
    from jobs.promptfile.source import Source
    from jobs.rewriting.rewriting import Rewriting
    from jobs.settings import Settings
    from jobs.submission.submitter import Submitter


@click.command()
@file_options
@default_options
@rewrite_options
@click.option("--dry-run", is_flag=True, help="Show what would be submitted; commit nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_app
def submit(
    app: App,
    *,
    file: str,
    defaults: Defaults,
    rewrite: RewriteChoice,
    format_name: str | None,
    encoding: str | None,
    batch: str | None,
    output: str | None,
    dry_run: bool,
    skip_invalid: bool,
    no_cache: bool,
    update: bool,
    yes: bool,
    as_json: bool,
) -> int:
    """Queue the motions that a file of prompts asks for.

    FILE is CSV or JSON Lines with a prompt column, or a .txt or .json list of
    prompt#frames#id lines; - reads standard input. The options are defaults for values that a row
    does not have.

    The jobs of a file are a batch. Submitting the file again adds nothing, since a job is
    identified by its row's id (or number) and seed. Asks before it submits very many new jobs; off
    a terminal it exits with 2 unless --yes is given. Exits with 1 if rows have changed since they
    were first submitted (see --update), or if the batch of this name is another file's.
    """
    from jobs.cli.faults import ExitCode
    from jobs.cli.render.submission import (
        confirmation,
        note_refused,
        print_plan,
        print_result,
        progress_line,
    )
    from jobs.delivery.broker import require_trust

    settings = app.settings(output=output)
    if not dry_run:
        require_trust(settings)
    with (
        rewrite.open(settings, dry=dry_run) as rewriting,
        _opened(app, settings, file, (format_name, encoding), rewriting) as (source, submitter),
    ):
        if dry_run:
            with progress_line(rewriting=rewrite.asked) as progress:
                plan = submitter.plan(
                    source, defaults, batch=batch, skip_invalid=skip_invalid, progress=progress
                )
            print_plan(plan, source, settings, as_json=as_json)
            return ExitCode.OK
        choice = {"skip_invalid": skip_invalid, "cache": not no_cache, "update": update}
        confirm = None if yes else confirmation(source)
        with progress_line(rewriting=rewrite.asked) as progress:
            result = submitter.submit(
                source, defaults, batch=batch, **choice, confirm=confirm, progress=progress
            )
        print_result(result, source, settings, as_json=as_json)
        note_refused(result, source, update=update)
    return ExitCode.ERROR if result.refused else ExitCode.OK


@contextmanager
def _opened(
    app: App,
    settings: Settings,
    file: str,
    written: tuple[str | None, str | None],
    rewriting: Rewriting | None,
) -> Iterator[tuple[Source, Submitter]]:
    """The open file and a submitter for it; `written`: format and encoding, where given."""
    from jobs.delivery.publisher import Publisher
    from jobs.promptfile.source import open_source
    from jobs.submission.submitter import Submitter

    stdin = sys.stdin.buffer
    kind, encoding = written
    with (
        open_source(file, format_name=kind, stdin=stdin, encoding=encoding) as source,
        app.store(settings) as store,
        closing(Publisher(settings)) as publisher,
    ):
        yield (
            source,
            Submitter(store=store, publisher=publisher, settings=settings, rewriting=rewriting),
        )
