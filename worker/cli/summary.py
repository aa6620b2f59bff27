"""The summary of a run: a table for people, JSON for programs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from jobs.cli.render.tables import Column, note, print_table, say
from jobs.cli.render.text import clean, duration, gigabytes
from jobs.documents.submission import unfamiliar_document
from jobs.domain.states import State

if TYPE_CHECKING:
    from jobs.domain.batches import Batch
    from jobs.monitoring.progress import ProgressSnapshot
    from jobs.store.store import Store
    from jobs.submission.result import SubmitResult

#: Failed jobs named in a summary; history has them all.
NAMED = 5


def run_document(
    result: SubmitResult, snapshot: ProgressSnapshot, seconds: float
) -> dict[str, object]:
    """The JSON of a run, schema `hymo.run/1`."""
    return {
        "schema": "hymo.run/1",
        "batch": result.batch.name,
        "counts": {state.value: snapshot.counts.get(state, 0) for state in State},
        "seconds": round(seconds, 3),
        "unfamiliar": unfamiliar_document(result.unfamiliar),
        "recognised": list(result.reading.recognised),
    }


def catch_up(store: Store, batch: Batch) -> None:
    """Write the batch's manifest if it may lack jobs.

    These are cached jobs, which no worker ran, and jobs that workers of another process have just
    finished.
    """
    from jobs.artifacts.manifest import manifest_path, write_manifest

    try:
        for dirty in store.manifests.dirty():
            if dirty.id == batch.id:
                write_manifest(store, dirty)
    except OSError as error:
        path = clean(str(manifest_path(batch)))
        note(f"warning: {path} cannot be written: {error.strerror or error}")


def print_summary(
    store: Store, batch: Batch, snapshot: ProgressSnapshot, seconds: float, untrained: Sequence[str]
) -> None:
    """Print mean phase times by card and mode, failures, and the paths of the files."""
    folder = Path(batch.output) / batch.name
    states = ", ".join(f"{number} {state}" for state, number in snapshot.counts.items())
    say(f"batch {batch.name}: {states} in {seconds:.1f} s")
    _phases(store, batch)
    if snapshot.failed:
        _failures(store, batch)
    if cancelled := snapshot.counts.get(State.CANCELLED):
        say(f"cancelled {cancelled}: hymo retry --batch {batch.name} queues them again")
    say(f"files     {folder}")
    say(f"manifest  {folder / 'manifest.jsonl'}")
    for model in untrained:
        say(f"model     {model}: an engine for tests: its output is not a real motion")


def _failures(store: Store, batch: Batch) -> None:
    from jobs.store.history.jobfilter import JobFilter

    wanted = JobFilter(batch_id=batch.id, states=(State.FAILED,))
    page = store.history.page(wanted, limit=NAMED)
    for row in page.rows:
        attempts = store.history.attempts(row.id)
        first = (attempts[-1].error or "").partition("\n")[0] if attempts else ""
        say(f"failed    job {row.id} ({row.custom_id}): {row.failure}: {first}")
    if page.next is not None:
        click.echo("          …")
    say(f"          hymo history --batch {batch.name} --state failed shows all;")
    say(f"          hymo retry --batch {batch.name} tries them again")


def _phases(store: Store, batch: Batch) -> None:
    """Print the mean costs of attempts, one line per card and mode."""
    from jobs.store.history.stats import AttemptFilter

    groups = store.stats.groups(AttemptFilter(batch_id=batch.id))
    names = ("queue", "load", "encode", "sample", "decode", "save", "total")
    columns = (
        Column("CARD", flexible=True),
        Column("MODE"),
        Column("RUNS", "right"),
        *(Column(name.upper(), "right") for name in names),
        Column("PEAK", "right"),
    )
    rows = []
    for group in groups:
        means = {name: spread.mean for name, spread in group.measures.items()}
        phases = (duration(means.get(name)) for name in names)
        peak = gigabytes(means.get("peak_memory"))
        rows.append((group.card, group.mode, str(group.count), *phases, peak))
    if rows:
        print_table(columns, rows)
