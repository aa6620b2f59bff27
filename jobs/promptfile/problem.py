"""Problems of a prompt file: where they are, what is wrong, and how to fix it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jobs.errors import JobsError, brief

#: Number of a file's problems that are listed before `… and N more`.
LISTED = 50


@dataclass(frozen=True)
class Problem:
    """One problem of a prompt file.

    Attributes:
        line: physical line (1-based) on which the row begins; None for the whole file.
        column: name of the column; None for the whole row.
        message: what is wrong.
        mend: how to fix it.
    """

    line: int | None
    column: str | None
    message: str
    mend: str

    @property
    def reason(self) -> str:
        """The problem without its place in the file."""
        column = f"{brief(plain(self.column))}: " if self.column else ""
        return f"{column}{self.message}; {self.mend}"

    def located(self, name: str) -> str:
        """The problem with its place, e.g. `prompts.csv:7: frames: 500 is …; use …`."""
        place = name if self.line is None else f"{name}:{self.line}"
        return f"{place}: {self.reason}"


class PromptFileError(JobsError):
    """A prompt file has problems and was not submitted.

    Attributes:
        name: the file's name in messages.
        problems: the first `LISTED` problems.
        total: number of problems.
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
    """The file cannot be read past this point."""

    exit_code = 2

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.reason)
        self.problem = problem


def plain(text: str) -> str:
    """`text` with all unprintable characters escaped."""
    if text.isprintable():
        return text
    return "".join(mark if mark.isprintable() else repr(mark)[1:-1] for mark in text)
