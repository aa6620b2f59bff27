"""What is wrong with a prompt file: where, what, and how to mend it."""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from dataclasses import dataclass

from jobs.errors import JobsError

#: How many problems of one file are listed before `… and N more`.
LISTED = 50
#: How much of an offending value a message repeats.
SHOWN = 40


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a prompt file.

    Attributes:
        line: physical line (1-based) where the row begins; None for the file as a whole.
        column: the column's name as the documentation writes it; None for the whole row.
        message: what is wrong.
        mend: what to do about it.
    """

    line: int | None
    column: str | None
    message: str
    mend: str

    @property
    def reason(self) -> str:
        """The problem without its place in the file."""
        column = f"{plain(self.column)}: " if self.column else ""
        return f"{column}{self.message}; {self.mend}"

    def located(self, name: str) -> str:
        """The problem with its place, e.g. `prompts.csv:7: frames: 500 is …; use …`."""
        place = name if self.line is None else f"{name}:{self.line}"
        return f"{place}: {self.reason}"


class PromptFileError(JobsError):
    """A prompt file cannot be submitted as it is.

    Attributes:
        name: the file as its reader named it.
        problems: the first `LISTED` of them.
        total: how many there are.
    """

    exit_code = 2

    def __init__(self, name: str, problems: Sequence[Problem], total: int | None = None) -> None:
        self.name = name
        self.problems = tuple(problems[:LISTED])
        self.total = len(problems) if total is None else total
        lines = [problem.located(name) for problem in self.problems]
        if self.total > 1:
            lines.insert(0, f"{self.total} problems in {name}, nothing was submitted:")
        if self.total > len(self.problems):
            lines.append(f"… and {self.total - len(self.problems)} more")
        super().__init__("\n".join(lines))


class UnreadableError(JobsError):
    """Reading cannot go on past this point, so no row after it can be trusted."""

    exit_code = 2

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.reason)
        self.problem = problem


def shown(value: object) -> str:
    """A value as a message repeats it: quoted, escaped, and cut to `SHOWN` characters."""
    if isinstance(value, str):
        return repr(value if len(value) <= SHOWN else f"{value[:SHOWN]}…")
    text = reprlib.repr(value)  # A nested value may be too deep for repr itself.
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def plain(text: str) -> str:
    """`text` with everything escaped that a terminal, or UTF-8, would not take as it is."""
    if text.isprintable():
        return text
    return "".join(mark if mark.isprintable() else repr(mark)[1:-1] for mark in text)
