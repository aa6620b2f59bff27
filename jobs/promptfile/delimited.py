"""Read tables, as CSV or with another delimiter, row by row."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from typing import TextIO

from jobs.promptfile.cell import trimmed
from jobs.promptfile.header import DELIMITERS, Header, read_header
from jobs.promptfile.problem import Problem
from jobs.promptfile.raw import RawRow
from jobs.promptfile.records import Record, read_records
from jobs.promptfile.source import numbered_lines


def read_csv(text: TextIO, *, first: str = ",") -> Iterator[RawRow]:
    """The data rows after the header line.

    Blank lines are skipped; rows of empty cells alone are too, but count as rows, so that those
    behind them keep their numbers.

    Args:
        first: the delimiter that is tried first.

    Raises:
        UnreadableError: no header, no prompt column, a duplicate column, or an unclosed quote.
    """
    header, lines = read_header(numbered_lines(text), first=first)
    for number, record in enumerate(read_records(lines, header.delimiter), 1):
        if record.cells[0].strip() or any(map(trimmed, record.cells)):
            yield _row(number, header, record)


def _row(number: int, header: Header, record: Record) -> RawRow:
    columns, cells, line = header.columns, record.cells, record.line
    surplus = cells[len(columns) :]
    extra: list[str] = []
    values: dict[str, object] = {}
    problems: list[Problem] = []
    if record.fault is not None:
        extra.append(record.text)
        problems.append(Problem(line, None, *record.fault))
    own = cells[: len(columns)]
    # Many columns without names follow in some exports; a short row must not be filled up to them.
    names = columns[: max(header.width, len(own))]
    for place, (column, cell) in enumerate(zip_longest(names, own, fillvalue=""), 1):
        if column:
            values[column] = cell
        elif trimmed(cell):
            extra.append(cell)
            message = f"cell {place} has no column name"
            problems.append(Problem(line, None, message, "name it in the header, or empty it"))
    # A quote as it is may be what is left of a cell that was cut.
    uneven = len(cells) != len(columns) and any(map(record.loose, cells))
    if uneven or any(map(trimmed, surplus)):
        extra += [record.text] if uneven else surplus
        delimiter = DELIMITERS[header.delimiter].removesuffix("s")
        message = f"has {len(cells)} cells where the header has {len(columns)}"
        mend = f"put a cell that contains a {delimiter} in double quotes"
        problems.append(Problem(line, None, message, mend))
    return RawRow(
        number,
        line,
        values,
        extra=tuple(extra),
        problems=tuple(problems),
        delimiter=header.delimiter,
        reread=header.reread or record.reread,
    )
