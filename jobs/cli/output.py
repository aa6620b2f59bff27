"""Writing results: tables for people, JSON and CSV for programs. Data goes to stdout."""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TextIO

import click

from jobs.cli.text import clean
from jobs.domain.states import State

if TYPE_CHECKING:
    from rich.console import Console

#: Width of a table that is not shown on a terminal: nothing is cut, each row stays one line.
UNLIMITED = 1_000_000
GAP = "  "
#: The narrowest room for a value that goes on below itself.
NARROW = 8

STYLES: Mapping[str, str] = {
    State.QUEUED: "yellow",
    State.RUNNING: "cyan",
    State.SUCCEEDED: "green",
    State.FAILED: "red",
    State.CANCELLED: "dim",
}


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        title: its heading.
        align: numbers go right.
        flexible: gives way, with an ellipsis, when the terminal is narrow …
        least: … but never below so many cells.
    """

    title: str
    align: Literal["left", "right"] = "left"
    flexible: bool = False
    least: int = 8


def forget_reader() -> None:
    """Write stdout to nowhere from now on: its reader went, what is buffered would fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def console(stream: TextIO | None = None) -> Console:
    """A console on `stream` (default stdout): plain and of unlimited width off a terminal.

    NO_COLOR and COLUMNS are honoured.
    """
    from rich.console import Console

    class Pipeable(Console):
        def on_broken_pipe(self) -> None:
            # Rich itself would end with 1; the root group knows better.
            raise BrokenPipeError

    stream = stream or sys.stdout
    width = None
    if not stream.isatty():
        columns = os.environ.get("COLUMNS", "")
        width = int(columns) if columns.isdigit() and int(columns) else UNLIMITED
    return Pipeable(file=stream, width=width, highlight=False, markup=False, emoji=False)


def print_table(
    columns: Sequence[Column], rows: Iterable[Sequence[str]], *, stream: TextIO | None = None
) -> None:
    """Print rows under headings, one line each, flexible columns cut to the terminal's width.

    Cells are shown as they are: no markup, no control characters. A cell that is the name of a
    state is coloured on a terminal.
    """
    from rich.cells import cell_len
    from rich.text import Text

    cells = [[clean(cell) for cell in row] for row in rows]
    out = console(stream)
    titles = [column.title for column in columns]
    natural = [max(map(cell_len, each)) for each in zip(titles, *cells, strict=True)]
    widths = fit(natural, columns, out.width)
    heading = GAP.join(map(_fitted, titles, columns, widths))
    out.print(Text(heading.rstrip(), style="bold"), soft_wrap=True)
    for row in cells:
        line = Text()
        for place, (cell, column, width) in enumerate(zip(row, columns, widths, strict=True)):
            line.append(GAP if place else "").append(_fitted(cell, column, width), STYLES.get(cell))
        line.rstrip()
        out.print(line, soft_wrap=True)


def print_pairs(title: str, pairs: Mapping[str, str]) -> None:
    """Print a heading and `name  value` lines; long values go on below themselves."""
    from rich.text import Text

    out = console()
    out.print(Text(clean(title), style="bold"), soft_wrap=True)
    shown = {clean(name): clean(value) for name, value in pairs.items() if value}
    width = max(map(len, shown), default=0)
    for name, value in shown.items():
        room = max(NARROW, out.width - width - 2 * len(GAP))
        lines = Text(value).wrap(out, room, overflow="fold") if out.width < UNLIMITED else [value]
        for number, line in enumerate(lines):
            head = name if number == 0 else ""
            style = STYLES.get(value.partition(":")[0].partition(" ")[0]) if name == "state" else ""
            text = Text(f"{GAP}{head:<{width}}{GAP}", style="dim").append(str(line), style)
            text.rstrip()
            out.print(text, soft_wrap=True)


def fit(natural: Sequence[int], columns: Sequence[Column], width: int) -> list[int]:
    """Column widths that make a line fit `width`, as far as flexible columns can give way."""
    widths = list(natural)
    over = sum(widths) + len(GAP) * (len(widths) - 1) - width
    while over > 0:
        givers = [
            place
            for place, column in enumerate(columns)
            if column.flexible and widths[place] > max(column.least, len(column.title))
        ]
        if not givers:
            break
        widths[max(givers, key=widths.__getitem__)] -= 1
        over -= 1
    return widths


def least_width(columns: Sequence[tuple[Column, Sequence[str]]]) -> int:
    """The narrowest that a table of these columns, with their cells, can be made."""
    from rich.cells import cell_len

    widths = []
    for column, cells in columns:
        natural = max(map(cell_len, (column.title, *map(clean, cells))))
        least = max(column.least, len(column.title))
        widths.append(min(natural, least) if column.flexible else natural)
    return sum(widths) + len(GAP) * (len(widths) - 1)


def _fitted(cell: str, column: Column, width: int) -> str:
    from rich.cells import cell_len, set_cell_size

    length = cell_len(cell)
    if length > width:
        return set_cell_size(set_cell_size(cell, width - 1).rstrip() + "…", width)
    blank = " " * (width - length)
    return blank + cell if column.align == "right" else cell + blank


def print_json(document: object) -> None:
    """Print one JSON document, indented on a terminal and on one line otherwise."""
    click.echo(to_json(document, indent=2 if sys.stdout.isatty() else None))


def to_json(document: object, *, indent: int | None = None) -> str:
    """`document` as JSON; escaped to ASCII where stdout's encoding is not a Unicode one."""
    encoding = (getattr(sys.stdout, "encoding", None) or "utf-8").lower()
    return json.dumps(
        document, ensure_ascii=not encoding.startswith("utf"), allow_nan=False, indent=indent
    )


def print_csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print RFC 4180 CSV (CRLF only inside quoted cells; lines end in LF). None is empty."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)


def note(message: str) -> None:
    """A line for people on stderr."""
    click.echo(message, err=True)
