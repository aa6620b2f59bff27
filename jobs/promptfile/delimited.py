"""Read CSV (RFC 4180) row by row, with the line number on which each row begins.

The standard library's reader is not used: it does not report where an unclosed quote was opened,
and it drops the rest of a row after a cell that is too long.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from typing import TextIO

from jobs.promptfile.problem import Problem, UnreadableError, shown
from jobs.promptfile.raw import RawRow, column_name
from jobs.promptfile.source import MAX_LINE, numbered_lines, too_long

_QUOTE_MEND = 'put the whole cell in quotes and write quotes inside it twice: "a ""b"" c"'


def read_csv(text: TextIO) -> Iterator[RawRow]:
    """The data rows after the header line; blank lines are skipped.

    Raises:
        UnreadableError: no header, no prompt column, a duplicate column, or an unclosed quote.
    """
    records = read_records(text)
    header = next(records, None)
    if header is None:
        mend = "write a header line with a prompt column, and a line for each motion"
        raise UnreadableError(Problem(1, None, "the file is empty", mend))
    columns = _columns(header[0], header[1])
    for number, (line, cells, stray) in enumerate(records, 1):
        yield _row(number, line, columns, cells, stray)


def read_records(text: TextIO) -> Iterator[tuple[int, list[str], bool]]:
    """The records of a CSV file: first line, cells, and whether text followed a closing quote."""
    lines = numbered_lines(text)
    for number, line in lines:
        if '"' not in line:
            if line.strip():
                yield number, line.split(","), False
        else:
            yield _quoted_record(number, line, lines)


def _quoted_record(
    first: int, line: str, lines: Iterator[tuple[int, str]]
) -> tuple[int, list[str], bool]:
    cells: list[str] = []
    position, length, stray = 0, len(line), False
    while True:
        if line.startswith('"', position):
            parts: list[str] = []
            while (end := _until_quote(line, position + 1, parts)) < 0:
                line = _next_line(first, len(cells), lines)
                length += len(line) + 1
                if length > MAX_LINE:
                    raise UnreadableError(too_long(first))
                parts.append("\n")
                position = -1
            comma = _comma(line, end)
            stray = stray or comma > end
            cells.append("".join(parts) + line[end:comma])
        else:
            comma = _comma(line, position)
            cells.append(line[position:comma])
        if comma == len(line):
            return first, cells, stray
        position = comma + 1


def _until_quote(line: str, start: int, parts: list[str]) -> int:
    """Collect a quoted cell's text; return the position after its closing quote, or -1."""
    while (quote := line.find('"', start)) >= 0:
        parts.append(line[start:quote])
        if not line.startswith('"', quote + 1):
            return quote + 1
        parts.append('"')
        start = quote + 2
    parts.append(line[start:])
    return -1


def _comma(line: str, start: int) -> int:
    found = line.find(",", start)
    return len(line) if found < 0 else found


def _next_line(first: int, column: int, lines: Iterator[tuple[int, str]]) -> str:
    following = next(lines, None)
    if following is None:
        message = f'a quote (") opened in cell {column + 1} is never closed'
        raise UnreadableError(Problem(first, None, message, _QUOTE_MEND))
    return following[1]


def _columns(line: int, cells: list[str]) -> tuple[str, ...]:
    columns = tuple(column_name(cell) for cell in cells)
    if any("\x00" in column for column in columns):
        message = "the header contains NUL bytes"
        raise UnreadableError(Problem(line, None, message, "save the file as UTF-8"))
    for place, column in enumerate(columns):
        if column and column in columns[:place]:
            raise UnreadableError(
                Problem(line, column, "the header names this column twice", "rename one of them")
            )
    if "prompt" not in columns:
        if len(columns) == 1 and (other := _separator(columns[0])):
            mend = f"separate the cells with commas instead of {other}"
        else:
            mend = "name the column of prompts `prompt` (or give --format for another kind of file)"
        found = shown(", ".join(columns))
        raise UnreadableError(
            Problem(line, "prompt", f"no such column in the header {found}", mend)
        )
    return columns


def _separator(header: str) -> str | None:
    names = {";": "semicolons", "\t": "tabs", "|": "bars"}
    return next((name for mark, name in names.items() if mark in header), None)


def _row(number: int, line: int, columns: tuple[str, ...], cells: list[str], stray: bool) -> RawRow:
    values: dict[str, object] = {}
    extra = list(cells[len(columns) :])
    problems: list[Problem] = []
    if stray:
        message = "text follows the closing quote of a cell"
        problems.append(Problem(line, None, message, _QUOTE_MEND))
    for place, (column, cell) in enumerate(
        zip_longest(columns, cells[: len(columns)], fillvalue=""), 1
    ):
        if column:
            values[column] = cell
        elif cell.strip():
            extra.append(cell)
            message = f"cell {place} has no column name"
            problems.append(Problem(line, None, message, "name it in the header, or empty it"))
    if len(cells) != len(columns):
        problems.append(_miscount(line, columns, cells))
    return RawRow(number, line, values, extra=tuple(extra), problems=tuple(problems))


def _miscount(line: int, columns: tuple[str, ...], cells: list[str]) -> Problem:
    message = f"has {len(cells)} cells where the header has {len(columns)}"
    if len(cells) < len(columns):
        return Problem(line, None, message, "add the missing commas; cells may be empty")
    return Problem(line, None, message, "put a cell that contains a comma in double quotes")
