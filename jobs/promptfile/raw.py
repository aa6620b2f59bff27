"""A row as read from the file, before validation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jobs.promptfile.cell import trimmed
from jobs.promptfile.problem import Problem

#: Columns that the queue uses; all others are stored with the job as metadata.
COLUMNS: tuple[str, ...] = (
    "prompt", "id", "frames", "seconds", "seed", "seeds", "mode", "steps", "guidance", "priority",
    "formats", "model",
)  # fmt: skip
#: Maximum number of columns of a table, and of keys of a JSON object.
MAX_COLUMNS = 1000
#: Columns that `--skip-invalid` adds to its file; ignored when that file is submitted.
LINE_COLUMN = "invalid_line"
REASON_COLUMN = "invalid_reason"
IGNORED: frozenset[str] = frozenset({LINE_COLUMN, REASON_COLUMN})

_KNOWN = {name: name for name in (*COLUMNS, *IGNORED)}


def column_name(written: str) -> str:
    """The column named by a header cell or JSON key; known columns are case-insensitive."""
    name = trimmed(written)
    return _KNOWN.get(name.lower(), name)


@dataclass(frozen=True)
class RawRow:
    """One data row.

    Attributes:
        number: 1-based number among the data rows; used as the id of a row without one.
        line: physical line on which it begins.
        values: column → cell text, or JSON value.
        typed: True if the values are JSON values, False if they are text cells.
        extra: cells without a column, or the whole text if it could not be parsed.
        problems: the problems that the reader found.
        delimiter: what separates the cells of the file.
        reread: whether earlier versions read its cells or column names differently.
    """

    number: int
    line: int
    values: Mapping[str, object]
    typed: bool = False
    extra: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    delimiter: str = ","
    reread: bool = False
