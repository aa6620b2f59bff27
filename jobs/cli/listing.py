"""Pages of history, shown as a table, JSON or CSV."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import click

from jobs.cli.jobfields import COLUMNS, METADATA, column, csv_cell, narrowed, table_cell
from jobs.cli.output import (
    Column,
    console,
    least_width,
    note,
    print_csv,
    print_json,
    print_table,
    to_json,
)
from jobs.cli.text import ago, clean, plural
from jobs.documents.job import document
from jobs.store.history.jobfilter import JobFilter
from jobs.store.history.jobrow import JobRow
from jobs.store.history.order import Order
from jobs.store.history.pages import PAGE
from jobs.store.store import Store
from jobs.waiting import Waiting

#: How long ago the job ended, or else was submitted: of the default table alone.
AGO = "ago"
#: Columns of a table, as far as they say anything; the wide ones from `WIDE` cells on.
SHOWN = (
    "id", "batch", "custom_id", "seed", "mode", "state", "failure", "card", "duration", AGO,
    "prompt",
)  # fmt: skip
SHOWN_WIDE = (
    "id", "batch", "custom_id", "seed", "mode", "frames", "state", "failure", "attempts", "worker",
    "card", "duration", "peak_memory_bytes", AGO, "prompt",
)  # fmt: skip
WIDE = 130
#: What leaves a table that is too narrow for its columns, first to last.
YIELDING = ("card", "mode", "duration", "failure")
#: Sort key → the column that shows it, where a table of jobs in that order would hide it.
SORTED = {
    "queue": "queue",
    "peak": "peak_memory_bytes",
    "skate": "skate_mm",
    "penetration": "penetration_mm",
    "jitter": "jitter",
}
#: Columns left out of a table in which they would be empty.
SPARSE = frozenset({"failure", "card", "worker", "duration", *SORTED.values()})


class Listing:
    """Pages of one filter and order, each job with its document."""

    def __init__(self, store: Store, wanted: JobFilter, order: Order, waiting: Waiting) -> None:
        self._history = store.history
        self._wanted = wanted
        self._order = order
        self._waiting = waiting
        #: By the store's clock.
        self.now = waiting.now
        #: What the jobs are sorted by.
        self.order_key = order.key
        #: Whether all jobs are of one batch, so that its name need not be repeated.
        self.one_batch = wanted.batch_id is not None
        #: The cursor of the page after the last one taken.
        self.next: str | None = None
        #: Names of metadata that a job taken had; None: no job was taken yet.
        self.metadata: set[str] | None = None

    def page(
        self, limit: int, after: str | None, *, files: bool
    ) -> list[tuple[JobRow, dict[str, Any]]]:
        """One page; `next` is its cursor."""
        page = self._history.page(self._wanted, self._order, limit=limit, after=after, files=files)
        self.next = page.next
        if page.rows:
            self.metadata = (self.metadata or set()).union(*(job.metadata for job in page.rows))
        return [(job, document(job, self._waiting.reason(job))) for job in page.rows]

    def documents(
        self, limit: int, after: str | None, *, everything: bool, files: bool
    ) -> Iterator[dict[str, Any]]:
        """The documents of one page, or of all from there on."""
        while True:
            for _, whole in self.page(PAGE if everything else limit, after, files=files):
                yield whole
            if not everything or self.next is None:
                return
            after = self.next


def note_unknown(listing: Listing, fields: Sequence[str] | None) -> None:
    """Say which metadata were asked for that no job shown has: the name may be misspelt."""
    if listing.metadata is None:
        return
    for field in fields or ():
        name = field.removeprefix(METADATA)
        if name != field and name not in listing.metadata:
            there = f"; there is {', '.join(sorted(listing.metadata))}" if listing.metadata else ""
            note(f"note: no job shown has metadata {clean(name)}{clean(there)}")


def show_json(
    listing: Listing,
    fields: Sequence[str] | None,
    limit: int,
    after: str | None,
    *,
    everything: bool,
) -> None:
    """One `hymo.history/1` document; with `everything`, written as it is read."""
    files = fields is None or "artifacts" in fields
    found = listing.documents(limit, after, everything=everything, files=files)
    jobs = (narrowed(whole, fields) for whole in found)
    if not everything:
        print_json({"schema": "hymo.history/1", "jobs": list(jobs), "next": listing.next})
        return
    # One job a line as it comes: an export of any size in bounded memory.
    click.echo('{"schema": "hymo.history/1", "jobs": [', nl=False)
    for number, job in enumerate(jobs):
        click.echo((",\n" if number else "\n") + to_json(job), nl=False)
    click.echo('\n], "next": null}')


def show_csv(
    listing: Listing,
    fields: Sequence[str] | None,
    limit: int,
    after: str | None,
    *,
    everything: bool,
) -> None:
    """A line a job, every field unless told otherwise."""
    shown = tuple(fields or COLUMNS)
    found = listing.documents(limit, after, everything=everything, files="artifacts" in shown)
    print_csv(shown, ([csv_cell(whole, field) for field in shown] for whole in found))
    if listing.next is not None:
        click.echo(f"more: --after {listing.next}", err=True)


def show_table(
    listing: Listing, fields: Sequence[str] | None, limit: int, after: str | None
) -> None:
    """A table for people; what they should know beside it goes to stderr."""
    found = listing.page(limit, after, files=fields is not None and "artifacts" in fields)
    if not found:
        note("no jobs match")
        return
    if fields is None:
        _print_default(listing, found)
    else:
        rows = [[table_cell(job, whole, field) for field in fields] for job, whole in found]
        print_table([column(field) for field in fields], rows)
    reasons = Counter(whole["reason"] for _, whole in found if whole["reason"])
    for reason, count in reasons.most_common():
        note(f"{plural(count, 'queued job')}: {reason}")
    if listing.next is not None:
        note(f"more: --after {listing.next}")


def _print_default(listing: Listing, found: Sequence[tuple[JobRow, dict[str, Any]]]) -> None:
    """The columns that say something and have room."""
    width = console().width
    shown = list(SHOWN_WIDE if width >= WIDE and sys.stdout.isatty() else SHOWN)
    if listing.one_batch:
        shown.remove("batch")
    if not any(job.seed for job, _ in found):
        shown.remove("seed")
    sorted_by = SORTED.get(listing.order_key)
    if sorted_by is not None and sorted_by not in shown:
        shown.insert(shown.index(AGO), sorted_by)
    cells = {
        field: [_default_cell(listing, job, whole, field) for job, whole in found]
        for field in shown
    }
    shown = [field for field in shown if field not in SPARSE or any(cells[field])]
    columns = {field: COLUMNS.get(field, Column("AGO", "right")) for field in shown}
    for field in YIELDING:
        if least_width([(columns[each], cells[each]) for each in shown]) > width:
            shown = [each for each in shown if each != field]
    rows = zip(*(cells[field] for field in shown), strict=True)
    print_table([columns[field] for field in shown], rows)


def _default_cell(listing: Listing, job: JobRow, whole: dict[str, Any], field: str) -> str:
    if field == AGO:
        since = job.created_at if job.finished_at is None else job.finished_at
        return ago(listing.now - since)
    return table_cell(job, whole, field)
