"""The header of a table: which delimiter separates its cells, and what its columns are called."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from jobs.errors import shown
from jobs.promptfile.cell import WHITE, trimmed
from jobs.promptfile.encoding import checked
from jobs.promptfile.problem import Problem, UnreadableError
from jobs.promptfile.raw import MAX_COLUMNS, column_name
from jobs.promptfile.records import Record, read_records
from jobs.promptfile.source import MAX_LINE

#: Delimiter → its name.
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
#: Delimiters that are tried, in order; bars must be declared.
_TRIED = (",", ";", "\t")

_DECLARED = re.compile(r'["\s]*sep=(.)"?[,;\t|]*+\s*', re.IGNORECASE)


@dataclass(frozen=True)
class Header:
    """The header of a table.

    Attributes:
        delimiter: what separates the cells.
        columns: names of the columns, empty where a column has none.
        width: number of columns up to the last one with a name.
        reread: whether earlier versions read other names.
    """

    delimiter: str
    columns: tuple[str, ...]
    width: int
    reread: bool = False


def likely(format_name: str) -> str:
    """The delimiter that is tried first in a file of a format."""
    return "\t" if format_name == "tsv" else ","


def read_header(
    lines: Iterator[tuple[int, str]], *, first: str = ","
) -> tuple[Header, Iterator[tuple[int, str]]]:
    """The header of a file's numbered lines, and the lines after it.

    The delimiter is the one that a line `sep=;` before it declares, else the first of these that
    makes a prompt column: `first`, comma, semicolon, tab.

    Raises:
        UnreadableError: no header, no prompt column, a column named twice, more than `MAX_COLUMNS`
            columns, or an unclosed quote.
    """
    declared: str | None = None
    for number, line in lines:
        if not line.strip(f"{WHITE},;\t"):
            continue
        found = _DECLARED.fullmatch(line) if declared is None else None
        if found is None:
            return _header(number, line, lines, (declared,) if declared else (first, *_TRIED))
        declared = found.group(1)
        if declared not in DELIMITERS:
            mend = f"declare one of {' '.join(map(shown, DELIMITERS))}"
            raise UnreadableError(Problem(number, None, f"sep={declared} cannot be read", mend))
    mend = "write a header line with a prompt column, and a line for each motion"
    raise UnreadableError(Problem(1, None, "the file is empty", mend))


def _header(
    first: int, line: str, lines: Iterator[tuple[int, str]], tried: tuple[str, ...]
) -> tuple[Header, Iterator[tuple[int, str]]]:
    written = [(first, line)]
    size, quotes = len(line), line.count('"')
    # A quoted name may contain newlines; a name may also contain a quote of its own.
    while quotes % 2 and size <= MAX_LINE and (following := next(lines, None)):
        written.append(following)
        size, quotes = size + len(following[1]), quotes + following[1].count('"')
    text = "\n".join(part for _, part in written)
    if "\x00" in text:
        mend = "save the file as UTF-8, or give --encoding utf-16"
        raise UnreadableError(Problem(first, None, "the header contains NUL bytes", mend))
    if any("\udc80" <= mark <= "\udcff" for mark in text):
        mend = checked(text, first)
        raise UnreadableError(Problem(first, None, "the header is not UTF-8", mend))
    for delimiter in tried:
        rest = iter(written)
        record = next(read_records(rest, delimiter))
        columns = tuple(map(column_name, record.cells))
        if "prompt" in columns:
            return _checked(record, delimiter, columns), chain(rest, lines)
    raise UnreadableError(_promptless(written, text, tried[0]))


def _checked(record: Record, delimiter: str, columns: tuple[str, ...]) -> Header:
    if record.fault is not None:
        raise UnreadableError(Problem(record.line, None, *record.fault))
    # A row may have fewer cells than the header, and still is read to the last named column.
    width = max(place for place, column in enumerate(columns, 1) if column)
    if width > MAX_COLUMNS:
        message = f"the header has {width} columns, and the most is {MAX_COLUMNS}"
        mend = "remove those that the motions do not need"
        raise UnreadableError(Problem(record.line, None, message, mend))
    seen: set[str] = set()
    for column in filter(None, columns):
        if column in seen:
            message = "the header names this column twice"
            raise UnreadableError(Problem(record.line, column, message, "rename one of them"))
        seen.add(column)
    reread = record.reread or any(trimmed(cell) != cell.strip() for cell in record.cells)
    return Header(delimiter, columns, width, reread)


def _promptless(written: list[tuple[int, str]], text: str, delimiter: str) -> Problem:
    mend = "name the column of prompts `prompt` (or give --format for another kind of file)"
    if delimiter not in text and "|" in text:
        mend = "separate the cells with commas instead of bars, or write a first line sep=|"
    names = ", ".join(map(column_name, next(read_records(iter(written), delimiter)).cells))
    return Problem(written[0][0], "prompt", f"no such column in the header {shown(names)}", mend)
