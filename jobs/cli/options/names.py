"""Arguments that name jobs: an id or `batch/row`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from jobs.naming import find

if TYPE_CHECKING:
    from jobs.store.history.jobrow import JobRow
    from jobs.store.store import Store


def find_jobs(store: Store, names: Sequence[str]) -> list[JobRow]:
    """The jobs that `names` refer to, without duplicates.

    Raises `NotFoundError` for an unknown name, and a usage error for the name of a batch.
    """
    found: dict[int, JobRow] = {}
    for name in names:
        meant = find(store, name)
        if not isinstance(meant, tuple):
            raise click.UsageError(f"{name} is a batch: write --batch {meant.name}")
        found |= {job.id: job for job in meant}
    return list(found.values())


def one_of(names: Sequence[str], batch: str | None) -> None:
    """Raise a usage error unless either jobs or a batch are named."""
    if names and batch is not None:
        raise click.UsageError("name either jobs or a batch with --batch, not both")
    if not names and batch is None:
        raise click.UsageError("name jobs, or a batch with --batch")
