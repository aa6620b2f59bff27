"""Print tables, JSON and CSV to stdout, and notes to stderr."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TextIO

import click

from jobs.cli.render.text import clean, escaped, filled
from jobs.domain.states import State
from jobs.errors import UnreachableError

if TYPE_CHECKING:
    from jobs.store.store import Store

#: Line width if stdout is not a terminal: nothing is cut, and each row is one line.
UNLIMITED = 1_000_000
GAP = "  "
#: Minimum width of a wrapped value.
NARROW = 8

# C1 and DEL, bidirectional and other invisible characters, which JSON may have as they are.
_UNSEEN = re.compile("[\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")

#: State → arguments of `click.style`.
STYLES: Mapping[str, Mapping[str, Any]] = {
    State.QUEUED: {"fg": "yellow"},
    State.RUNNING: {"fg": "cyan"},
    State.SUCCEEDED: {"fg": "green"},
    State.FAILED: {"fg": "red"},
    State.CANCELLED: {"dim": True},
}


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        title: the heading.
        align: alignment; `right` for numbers.
        flexible: whether cells are cut with an ellipsis on a narrow terminal.
        least: minimum width of a flexible column, cells.
    """

    title: str
    align: Literal["left", "right"] = "left"
    flexible: bool = False
    least: int = 8


def forget_reader() -> None:
    """Redirect stdout to the null device, since flushing the closed pipe would fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def line_width() -> int:
    """Width of a line on stdout: COLUMNS, else the terminal's width, else unlimited."""
    return shutil.get_terminal_size((UNLIMITED, 0)).columns


def print_table(columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> None:
    """Print headings and rows, one line each; flexible columns are cut to the terminal's width.

    Control characters are escaped. Names of states are coloured on a terminal.
    """
    columns = [replace(column, title=clean(column.title)) for column in columns]
    cells = [[clean(cell) for cell in row] for row in rows]
    widths = fit(columns, cells, line_width())
    titles = [column.title for column in columns]
    heading, *lines = (
        GAP.join(map(_shown, row, columns, widths)).rstrip() for row in (titles, *cells)
    )
    _print([click.style(heading, bold=True), *lines])


def print_pairs(title: str, pairs: Mapping[str, str]) -> None:
    """Print a heading and `name  value` lines; long values are wrapped and indented."""
    shown = {clean(name): clean(value).rstrip() for name, value in pairs.items() if value}
    width = max(map(len, shown), default=0)
    room = max(NARROW, line_width() - width - 2 * len(GAP))
    below = "\n" + GAP + " " * width + GAP
    lines = [click.style(clean(title), bold=True)]
    for name, value in shown.items():
        state = value.partition(":")[0].partition(" ")[0] if name == "state" else ""
        text = click.style(below.join(_wrapped(value, room)), **STYLES.get(state, {}))
        lines.append(GAP + click.style(f"{name:<{width}}", dim=True) + GAP + text)
    _print(lines)


def fit(columns: Sequence[Column], rows: Iterable[Sequence[str]], room: int) -> list[int]:
    """Column widths for lines of at most `room` cells, as far as flexible columns can shrink."""
    from rich.cells import cell_len

    titles = [column.title for column in columns]
    widths = [max(map(cell_len, cells)) for cells in zip(titles, *rows, strict=True)]
    least = [
        max(column.least, len(column.title)) if column.flexible else width
        for column, width in zip(columns, widths, strict=True)
    ]
    over = _across(widths) - room
    while over > 0 and (givers := [at for at, width in enumerate(widths) if width > least[at]]):
        widths[max(givers, key=widths.__getitem__)] -= 1
        over -= 1
    return widths


def least_width(columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> int:
    """The minimum width of a table of these columns and rows."""
    return _across(fit(columns, rows, 0))


def _across(widths: Sequence[int]) -> int:
    return sum(widths) + len(GAP) * (len(widths) - 1)


def _shown(cell: str, column: Column, width: int) -> str:
    from rich.cells import cell_len, set_cell_size

    if cell_len(cell) > width:
        cell = set_cell_size(cell, width - 1).rstrip() + "…"
    blank = " " * (width - cell_len(cell))
    text = click.style(cell, **STYLES[cell]) if cell in STYLES else cell
    return blank + text if column.align == "right" else text + blank


def _wrapped(value: str, room: int) -> list[str]:
    if len(value) * 2 <= room:
        return [value]
    from rich.console import Console
    from rich.text import Text

    return [line.plain.rstrip() for line in Text(value).wrap(Console(), room, overflow="fold")]


def _print(lines: Iterable[str]) -> None:
    """Print styled lines; without colours if stdout is not a terminal or the user disabled them."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    click.echo("\n".join(lines), color=False if plain else None)


def print_json(document: object) -> None:
    """Print a JSON document, indented on a terminal and on one line otherwise."""
    click.echo(to_json(document, indent=2 if sys.stdout.isatty() else None))


def to_json(document: object, *, indent: int | None = None) -> str:
    """`document` as JSON; escaped to ASCII unless stdout's encoding is a Unicode one.

    Characters that would control a terminal are always escaped.
    """
    encoding = (getattr(sys.stdout, "encoding", None) or "utf-8").lower()
    text = json.dumps(
        document, ensure_ascii=not encoding.startswith("utf"), allow_nan=False, indent=indent
    )
    return _UNSEEN.sub(lambda found: json.dumps(found.group())[1:-1], text)


def print_csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print RFC 4180 CSV, but lines end in LF. None becomes an empty cell.

    Control characters are escaped, except line breaks and tabs.
    """
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(map(_csv_cell, header))
    writer.writerows(map(_csv_cell, row) for row in rows)


def _csv_cell(value: object) -> object:
    if not isinstance(value, str) or value.isprintable():
        return value
    return _CONTROL.sub(lambda found: escaped(found.group()), value.replace("\r\n", "\n"))


def say(message: str) -> None:
    """Print a line to stdout, wrapped if that is a terminal.

    Control and bidirectional characters in it are escaped.
    """
    click.echo(_fitted(clean(message), sys.stdout))


def note(message: str) -> None:
    """Print a line to stderr, wrapped and escaped as by `say`."""
    click.echo(_fitted(clean(message), sys.stderr), err=True)


def note_full(store: Store) -> bool:
    """Note that the disk of an SQLite file is full, where it is. Returns whether it is."""
    try:
        store.require_room()
    except UnreachableError as error:
        note(f"{error}; until then workers cannot report, and live ones look lost")
        return True
    return False


def _fitted(text: str, stream: TextIO) -> str:
    """`text` in lines that fit a terminal; on one line elsewhere, for programs that read it."""
    if not stream.isatty():
        return text
    try:
        width = int(os.environ.get("COLUMNS") or os.get_terminal_size(stream.fileno()).columns)
    except (OSError, ValueError):
        width = 0
    return filled(text, width or UNLIMITED)
