"""`hymo`: the entry point and the root group."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from jobs.cli.context import App
from jobs.cli.group import LazyGroup

OWN = {
    "submit": "jobs.cli.submit:submit",
    "watch": "jobs.cli.watch:watch",
    "history": "jobs.cli.history:history",
    "show": "jobs.cli.show:show",
    "cancel": "jobs.cli.cancel:cancel",
    "retry": "jobs.cli.retry:retry",
    "pause": "jobs.cli.pause:pause",
    "resume": "jobs.cli.pause:resume",
    "workers": "jobs.cli.workers:workers",
    "cards": "jobs.cli.cards:cards",
    "db": "jobs.cli.db:db",
}

SECTIONS = {
    "Make motions": ("run", "submit", "watch"),
    "Use motions": ("preview", "export", "evaluate"),
    "Ask": ("history", "show", "workers", "cards"),
    "Steer": ("cancel", "retry", "pause", "resume"),
    "Run the machines": ("up", "worker", "doctor", "models", "db"),
}


@click.group(
    cls=LazyGroup,
    own=OWN,
    plugins="hymo.commands",
    sections=SECTIONS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--home",
    metavar="DIR",
    help="Folder of the database, the embedded server, logs and config.toml. "
    "[env HYMO_HOME; default ~/.hymo]",
)
@click.version_option(package_name="hymo", prog_name="hymo", message="%(prog)s %(version)s")
@click.pass_context
def hymo(ctx: click.Context, home: str | None) -> None:
    """Make 3D human motions from text in bulk, and ask afterwards what ran where.

    Settings come from flags, then HYMO_* variables, then config.toml in the home folder.
    Data goes to stdout, progress and warnings to stderr.

    Exit codes: 0 ok, 1 error, 2 usage, 3 not found, 5 finished with failed jobs
    or with all cancelled, 6 wait timed out, 7 database or broker unreachable, 130 interrupted.
    """
    ctx.obj = App(environ=os.environ, home=home)


def _open_streams() -> None:
    """Put the null device where we were started without stdin, stdout or stderr (`>&-`).

    Else the next file opened, maybe the database, would take the number and get the output.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            # The lowest free number is taken, which is this one.
            os.open(os.devnull, os.O_RDWR)
        stream = getattr(sys, name)
        if stream is None or stream.closed:
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8"))


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with its code."""
    _open_streams()
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            # A prompt in any language must print on any terminal, escaped where it cannot be.
            reconfigure(errors="backslashreplace")
    hymo.main(args, prog_name="hymo")
    raise SystemExit(0)  # unreachable: standalone mode always exits
