"""Print pages of history as a table, JSON or CSV."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import click

from jobs.cli.render.fields import COLUMNS, METADATA, column, csv_cell, narrowed, table_cell
from jobs.cli.render.tables import (
    Column,
    least_width,
    line_width,
    note,
    print_csv,
    print_json,
    print_table,
    to_json,
)
from jobs.cli.render.text import ago, clean, plural
from jobs.documents.job import document
from jobs.domain.states import State
from jobs.monitoring.waiting import Waiting
from jobs.store.history.jobfilter import JobFilter
from jobs.store.history.jobrow import JobRow
from jobs.store.history.order import Order
from jobs.store.history.pages import PAGE
from jobs.store.store import Store

#: A column of the default table only: the time since the job ended, or else was submitted.
AGO = "ago"
#: Columns of the default table, and of one that is at least `WIDE` cells wide.
SHOWN = (
    "id", "batch", "custom_id", "seed", "mode", "state", "failure", "card", "duration", AGO,
    "prompt",
)  # fmt: skip
SHOWN_WIDE = (
    "id", "batch", "custom_id", "seed", "mode", "frames", "state", "failure", "attempts", "worker",
    "card", "duration", "peak_memory_bytes", AGO, "prompt",
)  # fmt: skip
WIDE = 130
#: Columns that are dropped, in this order, if the terminal is too narrow.
YIELDING = ("card", "mode", "duration", "failure")
#: Sort key → a column that is added to the table when jobs are sorted by it.
SORTED = {
    "queue": "queue",
    "peak": "peak_memory_bytes",
    "skate": "skate_mm",
    "penetration": "penetration_mm",
    "jitter": "jitter",
}
#: Columns that are left out if they are empty.
SPARSE = frozenset({"failure", "card", "worker", "duration", *SORTED.values()})


@dataclass(kw_only=True)
class Listing:
    """Pages of the jobs that match a filter, in an order, each job with its document.

    Attributes:
        fields: fields to show; None: the default ones.
        limit: jobs per page.
        everything: whether to show all pages from the next one on.
        next: the cursor of the next page; None before the first page and after the last.
        metadata: names of the metadata of the jobs shown; None if no job has been shown.
    """

    store: Store
    wanted: JobFilter
    order: Order
    waiting: Waiting
    fields: Sequence[str] | None
    limit: int
    everything: bool
    next: str | None
    metadata: set[str] | None = None

    def page(self, *, files: bool) -> list[tuple[JobRow, dict[str, Any]]]:
        """The next page."""
        limit = PAGE if self.everything else self.limit
        page = self.store.history.page(
            self.wanted, self.order, limit=limit, after=self.next, files=files
        )
        self.next = page.next
        if page.rows:
            self.metadata = (self.metadata or set()).union(*(job.metadata for job in page.rows))
        return [(job, document(job, self.waiting.reason(job))) for job in page.rows]

    def documents(self, *, files: bool) -> Iterator[dict[str, Any]]:
        """The documents of the next page, or of all remaining pages."""
        while True:
            for _, whole in self.page(files=files):
                yield whole
            if not self.everything or self.next is None:
                return


def note_unknown(listing: Listing) -> None:
    """Note requested metadata that no job shown has, since the name may be misspelt."""
    if listing.metadata is None:
        return
    for field in listing.fields or ():
        name = field.removeprefix(METADATA)
        if name != field and name not in listing.metadata:
            there = f"; there is {', '.join(sorted(listing.metadata))}" if listing.metadata else ""
            note(f"note: no job shown has metadata {clean(name)}{clean(there)}")


def show_json(listing: Listing) -> None:
    """Print a `hymo.history/1` document; with `everything`, page by page."""
    files = listing.fields is None or "artifacts" in listing.fields
    jobs = (narrowed(whole, listing.fields) for whole in listing.documents(files=files))
    if not listing.everything:
        print_json({"schema": "hymo.history/1", "jobs": list(jobs), "next": listing.next})
        return
    # One job per line as it is read, so that an export of any size needs little memory.
    click.echo('{"schema": "hymo.history/1", "jobs": [', nl=False)
    for number, job in enumerate(jobs):
        click.echo((",\n" if number else "\n") + to_json(job), nl=False)
    click.echo('\n], "next": null}')


def show_csv(listing: Listing, *, safe: bool = False) -> None:
    """Print one line per job, with all fields by default; `safe` as for `print_csv`."""
    shown = tuple(listing.fields or COLUMNS)
    found = listing.documents(files="artifacts" in shown)
    rows = ([csv_cell(whole, field) for field in shown] for whole in found)
    print_csv(shown, rows, safe=safe)
    if listing.next is not None:
        note(f"more: --after {listing.next}")


def show_table(listing: Listing) -> None:
    """Print a table; why jobs wait and the next cursor go to stderr."""
    fields = listing.fields
    found = listing.page(files=fields is not None and "artifacts" in fields)
    if not found:
        note("no jobs match")
        return
    if fields is None:
        _print_default(listing, found)
    else:
        rows = [[table_cell(job, whole, field) for field in fields] for job, whole in found]
        print_table([column(field) for field in fields], rows)
    queued = [whole for job, whole in found if job.state == State.QUEUED]
    reasons = Counter(whole["reason"] for whole in queued if whole["reason"])
    for reason, count in reasons.most_common():
        note(f"{plural(count, 'queued job')}: {reason}")
    if listing.next is not None:
        note(f"more: --after {listing.next}")


def _print_default(listing: Listing, found: Sequence[tuple[JobRow, dict[str, Any]]]) -> None:
    """Print the columns that are not empty and fit on the line."""
    width = line_width()
    shown = list(SHOWN_WIDE if width >= WIDE and sys.stdout.isatty() else SHOWN)
    if listing.wanted.batch_id is not None:
        shown.remove("batch")
    if not any(job.seed for job, _ in found):
        shown.remove("seed")
    sorted_by = SORTED.get(listing.order.key)
    if sorted_by is not None and sorted_by not in shown:
        shown.insert(shown.index(AGO), sorted_by)
    cells = {
        field: [clean(_default_cell(listing, job, whole, field)) for job, whole in found]
        for field in shown
    }
    shown = [field for field in shown if field not in SPARSE or any(cells[field])]
    for yielding in (*YIELDING, None):
        columns = [COLUMNS.get(field, Column("AGO", "right")) for field in shown]
        rows = list(zip(*(cells[field] for field in shown), strict=True))
        if least_width(columns, rows) <= width:
            break
        shown = [field for field in shown if field != yielding]
    print_table(columns, rows)


def _default_cell(listing: Listing, job: JobRow, whole: dict[str, Any], field: str) -> str:
    if field == AGO:
        since = job.created_at if job.finished_at is None else job.finished_at
        return ago(listing.waiting.now - since)
    return table_cell(job, whole, field)
