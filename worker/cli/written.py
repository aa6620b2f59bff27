"""Tells of each file that a command writes: its path on stdout, problems on stderr."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from jobs.cli.faults import ExitCode
from jobs.cli.render.tables import forget_reader, note, print_json
from jobs.cli.render.text import clean, plural
from worker.results.reading import NoMotionError


@dataclass
class OutputReport:
    """The files that a command has written and the motions that it could not read.

    Args:
        schema: of the JSON document.
        as_json: whether to print one JSON document at the end instead of a line a file.
    """

    schema: str
    as_json: bool
    files: list[dict[str, Any]] = field(default_factory=list)
    problems: list[dict[str, Any]] = field(default_factory=list)

    def add(self, path: Path, **what: Any) -> None:
        """Note a file and print its path; `what` describes it in JSON.

        A closed stdout, as in `hymo export night | head`, ends the printing and not the command.
        """
        self.files.append({**what, "path": str(path)})
        if not self.as_json:
            try:
                click.echo(clean(str(path)))
            except BrokenPipeError:
                forget_reader()

    def miss(self, error: NoMotionError) -> None:
        """Note a motion that could not be read and print why."""
        self.problems.append({"job": error.job, "error": str(error)})
        note(f"hymo: {clean(str(error))}")

    def end(self, undone: int) -> int:
        """Print the totals or the document, and return the exit code.

        Args:
            undone: jobs of the batches asked for that have no motion.
        """
        if self.as_json:
            document = {"schema": self.schema, "files": self.files, "problems": self.problems}
            print_json(document)
        else:
            note(self._sum(undone))
        return ExitCode.ERROR if self.problems else ExitCode.OK

    def _sum(self, undone: int) -> str:
        parts = [f"{plural(len(self.files), 'file')} written"]
        if self.problems:
            parts.append(f"{plural(len(self.problems), 'motion')} could not be read")
        if undone:
            parts.append(f"{plural(undone, 'job')} of the batch not done")
        return ", ".join(parts)
