"""`hymo`: the entry point and the root group."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from jobs.cli.context import App
from jobs.cli.group import LazyGroup

#: Every command of this room lies in the module of its name, but for `resume`.
OWN = {
    name: f"jobs.cli.{name}:{name}"
    for name in (
        "submit", "watch", "history", "show", "cancel", "retry", "pause", "workers", "cards", "db",
    )
} | {"resume": "jobs.cli.pause:resume"}  # fmt: skip

#: The help page: a command's line is the first sentence of its own help, which a test compares.
SECTIONS = {
    "Make motions": {
        "run": "Make the motions a file of prompts asks for, on this machine, now",
        "submit": "Queue the motions that a file of prompts asks for",
        "watch": "Show a batch's progress until all its jobs have ended",
    },
    "Use motions": {
        "preview": "Draw motions: film strips, animations, and a contact sheet of a batch",
        "export": "Write motions in the formats and conventions of other programs",
        "evaluate": "Measure a model, or motions that exist, beside real ones",
    },
    "Ask": {
        "history": "List jobs, newest first: what was asked for and what became of it",
        "show": "Show everything about jobs, or a batch in sum",
        "workers": "List workers: what each can do, and the jobs it runs now",
        "cards": "Show what is published of each card beside what was measured",
    },
    "Steer": {
        "cancel": "Cancel jobs, those running at their next sampling step",
        "retry": "Try failed and cancelled jobs again",
        "pause": "Let no further job of a batch begin; running ones finish",
        "resume": "Let a paused batch go on",
    },
    "Run the machines": {
        "up": "Run this machine's workers until Ctrl-C, SIGTERM or SIGHUP",
        "worker": "Run one worker on one device until SIGTERM, which lets the pack in hand finish",
        "doctor": "Check this machine: folders, database, broker, devices, torch, models, workers",
        "models": "List, import, check and remove models",
        "db": "Look at the database's schema, or bring it up to date",
    },
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
