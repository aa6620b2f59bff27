"""Write the rows that `--skip-invalid` leaves out, with the reasons, to a file beside the input."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TextIO

from jobs.artifacts.atomic import atomic
from jobs.promptfile.problem import Problem, PromptFileError
from jobs.promptfile.raw import COLUMNS, LINE_COLUMN, REASON_COLUMN
from jobs.promptfile.row import BadRow
from jobs.promptfile.source import Source

#: The key that stores a JSON line that could not be read as an object.
_TEXT_COLUMN = "invalid_text"


class InvalidRows:
    """Writes invalid rows to a file that can be fixed and submitted.

    A row without an id gets its number as its id, so that it stays the same row of the batch.
    """

    def __init__(self, source: Source, stream: TextIO) -> None:
        self._source = source
        self._stream = stream
        self._columns: tuple[str, ...] | None = None
        self.count = 0

    def write(self, row: BadRow) -> None:
        """Append one row."""
        self.count += 1
        reason = " | ".join(problem.reason for problem in row.problems)
        values = {name: value for name, value in row.raw.values.items() if name not in _ADDED}
        if values.get("id") in (None, ""):
            values["id"] = str(row.raw.number)
        if self._source.format == "jsonl":
            self._write_json(values, row, reason)
        else:
            self._write_csv(values, row, reason)

    def _write_json(self, values: dict[str, object], row: BadRow, reason: str) -> None:
        if row.raw.extra:
            values[_TEXT_COLUMN] = row.raw.extra[0]
        values |= {LINE_COLUMN: row.raw.line, REASON_COLUMN: reason}
        self._stream.write(json.dumps(values) + "\n")

    def _write_csv(self, values: dict[str, object], row: BadRow, reason: str) -> None:
        writer = csv.writer(self._stream, lineterminator="\n")
        if self._columns is None:
            self._columns = self._header(values)
            writer.writerow([*self._columns, LINE_COLUMN, REASON_COLUMN])
        cells = [values.get(column, "") for column in self._columns]
        writer.writerow([*cells, row.raw.line, reason, *row.raw.extra])

    def _header(self, values: dict[str, object]) -> tuple[str, ...]:
        if self._source.format == "csv":
            return tuple(values)
        return ("id", "prompt", "frames", *(name for name in values if name not in COLUMNS))


_ADDED = frozenset({LINE_COLUMN, REASON_COLUMN, _TEXT_COLUMN})


def invalid_path(source: Source) -> Path:
    """The file for a source's invalid rows: `<name>.invalid.csv`, or `.jsonl` for JSON Lines."""
    suffix = "jsonl" if source.format == "jsonl" else "csv"
    return source.folder / f"{source.stem}.invalid.{suffix}"


@contextmanager
def invalid_rows(source: Source) -> Iterator[InvalidRows]:
    """A writer of invalid rows; the file appears only on success and if a row was written.

    Raises `PromptFileError` if the folder is not writable.
    """
    path = invalid_path(source)
    with ExitStack() as stack:
        try:
            part = stack.enter_context(atomic(path))
            # Bytes of the input that are not UTF-8 are written unchanged.
            out = part.open("w", encoding="utf-8", errors="surrogateescape", newline="")
        except OSError as error:
            message = f"cannot write {path}: {error.strerror}"
            mend = "make the folder writable, or fix the rows instead of skipping them"
            raise PromptFileError(source.name, [Problem(None, None, message, mend)]) from error
        with out:
            rows = InvalidRows(source, out)
            yield rows
        if not rows.count:
            part.unlink()
