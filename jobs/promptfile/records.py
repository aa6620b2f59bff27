"""The records of a table: cells separated by a delimiter, quoted as in RFC 4180."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from jobs.promptfile.cell import WHITE
from jobs.promptfile.problem import Problem, UnreadableError
from jobs.promptfile.source import MAX_LINE, too_long

QUOTE_MEND = 'put the whole cell in quotes and write quotes inside it twice: "a ""b"" c"'
SPACE_MEND = "remove the white space before the quote"
_STRAY = ("text follows the closing quote of a cell", QUOTE_MEND)

# The limit is the process's, not the reader's; `numbered_lines` and `_fed` keep to it.
csv.field_size_limit(MAX_LINE + 1)


class Record(NamedTuple):
    """One record.

    Attributes:
        line: physical line on which it begins.
        cells: the text of its cells.
        fault: message and mend if its cells cannot be told for certain.
        text: the record as written, if it contains quotes.
        reread: whether earlier versions found other cells.
    """

    line: int
    cells: list[str]
    fault: tuple[str, str] | None = None
    text: str = ""
    reread: bool = False

    def loose(self, cell: str) -> bool:
        """Whether a cell contains quotes as they are, rather than twice in a cell in quotes."""
        return '"' in cell and '"{}"'.format(cell.replace('"', '""')) not in self.text


def read_records(lines: Iterator[tuple[int, str]], delimiter: str) -> Iterator[Record]:
    """The records of numbered lines; lines of nothing but white space are skipped.

    Raises:
        UnreadableError: a quote is never closed, or a record is too long.
    """
    indented = _indented(delimiter)
    for number, line in lines:
        if '"' not in line:
            if delimiter in line or line.strip():
                yield Record(number, line.split(delimiter))
            continue
        taken = [line]
        try:
            # Without further lines an open quote is an error too.
            cells = next(csv.reader(taken, delimiter=delimiter, strict=True))
        except csv.Error:
            record = _uneven(number, taken, lines, delimiter)
        else:
            record = Record(number, cells, None, line)
        text = record.text
        # Quickly tells most records, which need no search.
        plain = ' "' not in text and text.isascii() and text.isprintable()
        if not plain and record.fault is None and indented.search(text):
            record = _unindented(record, taken, delimiter)
        yield record


def _uneven(
    first: int, taken: list[str], lines: Iterable[tuple[int, str]], delimiter: str
) -> Record:
    """A record that takes several lines, or in which text follows a closing quote."""
    cells = next(csv.reader(_fed(first, taken, lines, delimiter), delimiter=delimiter))
    try:
        next(csv.reader(_ended(taken), delimiter=delimiter, strict=True))
        fault = None
    except csv.Error:
        fault = _STRAY
    return Record(first, cells, fault, "\n".join(taken))


def _ended(taken: Iterable[str]) -> Iterator[str]:
    return (line + "\n" for line in taken)


def _fed(
    first: int, taken: list[str], lines: Iterable[tuple[int, str]], delimiter: str
) -> Iterator[str]:
    """The lines taken, then further ones, for a reader that asks while a quote is open."""
    yield from _ended(taken)
    length = sum(map(len, taken))
    for _, line in lines:
        length += len(line) + 1
        if length > MAX_LINE:
            raise UnreadableError(too_long(first))
        taken.append(line)
        yield line + "\n"
    cell = len(next(csv.reader(_ended(taken), delimiter=delimiter)))
    message = f'a quote (") opened in cell {cell} is never closed'
    raise UnreadableError(Problem(first, None, message, QUOTE_MEND))


@lru_cache
def _indented(delimiter: str) -> re.Pattern[str]:
    white = WHITE.replace(delimiter, "")
    return re.compile(f'(?:^|{re.escape(delimiter)})[{white}]+"')


_INDENTED_CELL = re.compile(f'[{WHITE}]+"')


def _unindented(record: Record, taken: list[str], delimiter: str) -> Record:
    """The record, read anew without the spaces before opening quotes."""
    place = _place(record)
    if place is None:
        return record
    feed = _at_most(record.line, taken, place)
    reader = csv.reader(feed, delimiter=delimiter, strict=True, skipinitialspace=True)
    try:
        record = record._replace(cells=next(reader), reread=True)
    except csv.Error:
        return record._replace(fault=_STRAY)
    if _place(record) is None:
        return record
    fault = ("white space other than spaces is before an opening quote", SPACE_MEND)
    return record._replace(fault=fault)


def _place(record: Record) -> int | None:
    """Number of the first cell with white space before its opening quote."""
    for number, cell in enumerate(record.cells, 1):
        if _INDENTED_CELL.match(cell) and record.loose(cell):
            return number
    return None


def _at_most(first: int, taken: list[str], place: int) -> Iterator[str]:
    """The lines taken; a reader that asks for more is inside a quote that may end anywhere."""
    yield from _ended(taken)
    message = f'a quote (") after a space in cell {place} is not closed on its line'
    raise UnreadableError(Problem(first, None, message, SPACE_MEND))
