"""A row as its reader found it, before anything in it is believed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jobs.promptfile.problem import Problem

#: Columns that mean something; all others are kept with the job as metadata.
COLUMNS: tuple[str, ...] = (
    "prompt", "id", "frames", "seconds", "seed", "seeds", "mode", "steps", "guidance", "priority",
    "formats", "model",
)  # fmt: skip
#: Columns that `--skip-invalid` adds to what it writes; ignored when that file is submitted.
LINE_COLUMN = "invalid_line"
REASON_COLUMN = "invalid_reason"
IGNORED: frozenset[str] = frozenset({LINE_COLUMN, REASON_COLUMN})

_KNOWN = {name: name for name in (*COLUMNS, *IGNORED)}


def column_name(written: str) -> str:
    """The column that a header cell or JSON key names; known columns are found without case."""
    name = written.strip()
    return _KNOWN.get(name.lower(), name)


@dataclass(frozen=True)
class RawRow:
    """One data row.

    Attributes:
        number: 1-based number among the data rows; the row's identity when it has no id.
        line: physical line on which it begins.
        values: column → cell text, or JSON value.
        typed: whether the values are JSON values (a number must be a number) or text cells.
        extra: cells that no column names, or the text that could not be read at all.
        problems: what the reader already found wrong.
    """

    number: int
    line: int
    values: Mapping[str, object]
    typed: bool = False
    extra: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
