"""How far gigabytes have come, on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from jobs.cli.render.text import GB

#: Seconds between two lines where stderr is no terminal.
LINE = 5.0

OnBytes = Callable[[int], None]


@contextmanager
def byte_progress(
    verb: str, total: int, *, clock: Callable[[], float] = time.monotonic
) -> Iterator[OnBytes]:
    """A bar on a terminal, elsewhere a line every few seconds.

    Args:
        verb: what is done, such as "importing".
        total: bytes in all.
        clock: monotonic seconds.
    """
    if sys.stderr.isatty():
        with _bar(verb, total) as told:
            yield told
        return
    done, began = 0, clock()
    due = began + LINE

    def plain(size: int) -> None:
        nonlocal done, due
        done += size
        now = clock()
        if now >= due:
            due = now + LINE
            rate = done / (now - began) / GB
            click.echo(f"{verb}: {done / GB:.1f} of {total / GB:.1f} GB, {rate:.2f} GB/s", err=True)

    yield plain


@contextmanager
def _bar(verb: str, total: int) -> Iterator[OnBytes]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    console = Console(stderr=True, highlight=False, markup=False, emoji=False)
    columns = (
        TextColumn(verb), BarColumn(bar_width=16), DownloadColumn(), TransferSpeedColumn(),
        TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(verb, total=total)

        def told(size: int) -> None:
            bar.advance(task, size)

        yield told
