"""Write the rows that `--skip-invalid` leaves out, with the reasons, to a file beside the input."""

from __future__ import annotations

import csv
import filecmp
import io
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import TextIO

from jobs.artifacts.atomic import atomic
from jobs.promptfile.cell import trimmed
from jobs.promptfile.header import likely, read_header
from jobs.promptfile.problem import Problem, PromptFileError
from jobs.promptfile.raw import COLUMNS, LINE_COLUMN, REASON_COLUMN
from jobs.promptfile.row import BadRow
from jobs.promptfile.source import Source, numbered_lines

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
        own = values.get("id")
        if own is None or (isinstance(own, str) and not trimmed(own)):
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
        # Cells with a decimal comma can be told only among cells with another delimiter.
        delimiter = row.raw.delimiter
        writer = csv.writer(self._stream, delimiter=delimiter, lineterminator="\n")
        if self._columns is None:
            self._columns = self._header(values)
            header = [*self._columns, LINE_COLUMN, REASON_COLUMN]
            self._stream.write(self._beginning(header, delimiter))
            writer.writerow(header)
        cells = [values.get(column, "") for column in self._columns]
        writer.writerow([*cells, row.raw.line, reason, *row.raw.extra])

    def _beginning(self, header: Sequence[str], delimiter: str) -> str:
        """What goes before the header, so that the file is read by the rules of its source."""
        # Without a mark a spreadsheet reads the file in an encoding of its own.
        mark = "\ufeff" if self._source.decoding().marked else ""
        line = io.StringIO()
        csv.writer(line, delimiter=delimiter, lineterminator="\n").writerow(header)
        line.seek(0)
        found, _ = read_header(numbered_lines(line), first=likely(self._source.format))
        return mark if found.delimiter == delimiter else f"{mark}sep={delimiter}\n"

    def _header(self, values: dict[str, object]) -> tuple[str, ...]:
        if self._source.format in {"csv", "tsv"}:
            return tuple(values)
        return ("id", "prompt", "frames", *(name for name in values if name not in COLUMNS))


_ADDED = frozenset({LINE_COLUMN, REASON_COLUMN, _TEXT_COLUMN})


def invalid_path(source: Source) -> Path:
    """The file for a source's invalid rows: `<name>.invalid.csv`, `.tsv` or `.jsonl`."""
    suffix = source.format if source.format in {"jsonl", "tsv"} else "csv"
    return source.folder / f"{source.stem}.invalid.{suffix}"


def earlier_paths(path: Path) -> Iterator[Path]:
    """Where files of invalid rows are kept that others at `path` replaced, the oldest first; at
    last the name for the next one, which does not exist."""
    for number in count(1):
        kept = path.with_name(f"{path.name}.bak{number if number > 1 else ''}")
        yield kept
        if not os.path.lexists(kept):
            return


@contextmanager
def invalid_rows(source: Source) -> Iterator[InvalidRows]:
    """A writer of invalid rows; the file appears only on success and if a row was written.

    An earlier file with other content is kept at the next of `earlier_paths`.

    Raises `PromptFileError` if the folder is not writable.
    """
    path = invalid_path(source)
    with ExitStack() as stack:
        try:
            part = stack.enter_context(atomic(path))
            # Bytes of the input that are not UTF-8 are written unchanged.
            out = part.open("x", encoding="utf-8", errors="surrogateescape", newline="")
        except OSError as error:
            message = f"cannot write {path}: {error.strerror}"
            mend = "make the folder writable, or fix the rows instead of skipping them"
            raise PromptFileError(source.name, [Problem(None, None, message, mend)]) from error
        with out:
            rows = InvalidRows(source, out)
            yield rows
        if not rows.count:
            part.unlink()
        elif path.is_file() and not filecmp.cmp(path, part, shallow=False):
            # Rows may have been fixed in it and not submitted yet.
            *_, free = earlier_paths(path)
            path.replace(free)
