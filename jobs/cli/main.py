"""`hymo`: the entry point and the root group."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from jobs.cli.context import App
from jobs.cli.group import LazyGroup

#: Each command of this package is in the module of its name, except `resume`.
OWN = {
    name: f"jobs.cli.{name}:{name}"
    for name in (
        "submit", "watch", "history", "show", "cancel", "retry", "pause", "priority", "workers",
        "cards", "prune", "db",
    )
} | {"resume": "jobs.cli.pause:resume"}  # fmt: skip

#: The help page. A command's line is the first sentence of its help; a test compares them.
SECTIONS = {
    "Make motions": {
        "run": "Sample the motions of a prompt file on this machine now",
        "submit": "Queue the motions that a file of prompts asks for",
        "watch": "Show a batch's progress until all its jobs have ended",
    },
    "Use motions": {
        "preview": "Draw motions: film strips, animations, and a contact sheet of a batch",
        "export": "Write motions in the formats and conventions of other programs",
        "evaluate": "Measure a model or existing motions against real ones",
    },
    "Inspect": {
        "history": "List jobs and their results, newest first",
        "show": "Show all details of jobs, or a summary of batches",
        "workers": "List workers with their capabilities and running jobs",
        "cards": "Compare the published figures of each card with measurements",
    },
    "Control": {
        "cancel": "Cancel jobs; running ones stop at their next sampling step",
        "retry": "Try failed and cancelled jobs again",
        "pause": "Stop starting jobs of a batch; running ones finish",
        "resume": "Resume a paused batch",
        "priority": "Give queued jobs another priority",
    },
    "Run the machines": {
        "up": "Run this machine's workers until Ctrl-C, SIGTERM or SIGHUP",
        "worker": "Run one worker on one device until SIGTERM, which lets the running pack finish",
        "doctor": "Check this machine: folders, database, broker, devices, torch, models, workers",
        "models": "List, import, check and remove models",
        "prune": "Remove batches that ended long ago: rows, features, files and encoded texts",
        "db": "Show or upgrade the database's schema",
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
    """Make 3D human motions from text in bulk, and keep a history of what ran where.

    Settings come from flags, then HYMO_* variables, then config.toml in the home folder.
    Data goes to stdout, progress and warnings to stderr.

    Exit codes: 0 ok, 1 error, 2 usage, 3 not found, 5 finished with failed jobs
    or with all cancelled, 6 wait timed out, 7 database or broker unreachable, 130 interrupted.
    """
    ctx.obj = App(environ=os.environ, home=home)


def _open_streams() -> None:
    """Open the null device for each of stdin, stdout and stderr that is closed (`>&-`).

    Otherwise the next file opened, maybe the database, would get its number and receive the output.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            # The lowest free number is used, which is this one.
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
            # Escape characters of prompts that the terminal's encoding does not have.
            reconfigure(errors="backslashreplace")
    hymo.main(args, prog_name="hymo")
    raise SystemExit(0)  # unreachable: standalone mode always exits
