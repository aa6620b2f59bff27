"""Show a batch's progress on stderr until it is done."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from jobs.cli.render.tables import note
from jobs.cli.render.text import clean
from jobs.domain.outage import Outage
from jobs.domain.states import State
from jobs.errors import OutageError, UnreachableError

if TYPE_CHECKING:
    from jobs.monitoring.progress import BatchProgress, ProgressSnapshot

#: Seconds between snapshots, and between lines if stderr is not a terminal.
LOOK = 0.5
LINE = 5.0
#: Width of the bar, and of the narrowest terminal that has room for it, cells.
BAR = 16
WIDE = 60

Show = Callable[["ProgressSnapshot"], None]


def follow(
    progress: BatchProgress,
    *,
    outage: float,
    mend: str,
    timeout: float | None = None,
    meanwhile: Callable[[], None] = lambda: None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> ProgressSnapshot:
    """Show a batch's progress until all its jobs have ended, or `timeout` seconds have passed.

    Args:
        outage: how many seconds to wait for a database that does not answer.
        mend: how to go on after that, as the end of the error.
        meanwhile: called after every snapshot, also while the database is away; its exceptions are
            passed on, except that the database does not answer.

    Returns:
        The last snapshot; it is not `finished` if the timeout passed.

    Raises:
        OutageError: the database was away for longer than `outage`.
    """
    from jobs.monitoring.progress import UNKNOWN

    begun = clock()
    snapshot = UNKNOWN
    gone = Outage(say=lambda _: None, clock=clock)  # the line says it
    with display(progress.batch.name, clock) as show:
        while True:
            try:
                snapshot = progress.snapshot()
                if not snapshot.finished:
                    progress.require_room()
                gone.back()
            except UnreachableError as error:
                snapshot = replace(snapshot, away=gone.away(error), reason=error.reason)
                if gone.seconds > outage:
                    why = f"{error.reason}; {error.mend}"
                    raise OutageError(gone.seconds, why, mend) from error
            show(snapshot)
            if snapshot.finished or (timeout is not None and clock() - begun >= timeout):
                return snapshot
            # The next snapshot finds out whether the database is still away.
            with suppress(UnreachableError):
                meanwhile()
            sleep(LOOK)


def line(snapshot: ProgressSnapshot) -> str:
    """`12/40 done, 3.1/s, ETA 0:09 · queued 20 · running 8`, and the reason why jobs wait."""
    why = "" if snapshot.reason is None else f" · {clean(snapshot.reason)}"
    if snapshot.away is not None:
        known = f"{snapshot.done}/{snapshot.total} done · " if snapshot.total else ""
        return f"{known}database away, waiting ({snapshot.away:.0f} s){why}"
    rate = f"{snapshot.rate:.1f}/s" if snapshot.rate else "–/s"
    states = " · ".join(
        f"{state} {snapshot.counts[state]}" for state in State if snapshot.counts.get(state)
    )
    eta = duration(snapshot.eta)
    return f"{snapshot.done}/{snapshot.total} done, {rate}, ETA {eta} · {states}{why}"


def duration(seconds: float | None) -> str:
    """`0:09`, `12:30`, `3:05:00`, or `–` if unknown."""
    if seconds is None:
        return "–"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@contextmanager
def display(name: str, clock: Callable[[], float]) -> Iterator[Show]:
    """A progress bar on a terminal; otherwise a line every few seconds and at the end."""
    if sys.stderr.isatty():
        with _bar(name) as show:
            yield show
        return
    due = clock()

    def plain(snapshot: ProgressSnapshot) -> None:
        nonlocal due
        if clock() >= due or snapshot.finished:
            due = clock() + LINE
            note(f"{name}: {line(snapshot)}")

    yield plain


@contextmanager
def _bar(name: str) -> Iterator[Show]:
    from rich.cells import cell_len, chop_cells
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    console = Console(stderr=True, highlight=False, markup=False, emoji=False)

    def cut(text: str, width: int) -> str:
        # What the terminal's encoding lacks is escaped before it is measured: a line that is
        # longer than the terminal would be repeated instead of overwritten.
        text = clean(text).encode(console.encoding, "backslashreplace").decode(console.encoding)
        end = "…" if console.encoding.startswith("utf") else ""
        if cell_len(text) <= width:
            return text
        return next(iter(chop_cells(text, max(1, width - len(end)))), "") + end

    title = cut(name, console.width // 3)
    bars = (BarColumn(bar_width=BAR),) if console.width >= WIDE else ()
    # Names and reasons are texts, not markup or templates.
    columns = (
        TextColumn("{task.description}", markup=False),
        *bars,
        TextColumn("{task.fields[line]}", markup=False),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(title, total=None, line="")

        def show(snapshot: ProgressSnapshot) -> None:
            room = console.width - cell_len(title) - 1 - (BAR + 1) * len(bars)
            text = cut(line(snapshot), room)
            bar.update(task, total=snapshot.total, completed=snapshot.done, line=text)

        yield show
