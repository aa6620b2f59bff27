"""Finding the job that a person names: `7`, `night/wave` or `night`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from jobs.errors import NotFoundError

if TYPE_CHECKING:
    from jobs.domain.batches import Batch
    from jobs.store.history.jobrow import JobRow
    from jobs.store.store import Store

#: Longer numbers are no ids: databases count to 2⁶³.
_ID = re.compile(r"[0-9]{1,18}")

#: A row with its seed, written as its files are.
_SEEDED = re.compile(r"(.+)_s([0-9]{1,10})")


def find(store: Store, name: str) -> Batch | tuple[JobRow, ...]:
    """What `name` means.

    `1234` is a job's id; `night/wave` every job of that row of the batch, `night/wave_s3` the one
    with seed 3; anything else a batch. `2024/` is the batch of that name, whatever ids there are.

    Raises:
        NotFoundError: it means nothing.
    """
    batch, slash, row = name.partition("/")
    if slash and row:
        return _row(store, batch, row)
    if slash or not _ID.fullmatch(name):
        return store.batches.get(batch)
    try:
        return (store.history.job(int(name)),)
    except NotFoundError:
        try:
            return store.batches.get(name)
        except NotFoundError:
            pass
        raise


def _row(store: Store, batch: str, row: str) -> tuple[JobRow, ...]:
    found = store.history.find(batch, row)
    seeded = _SEEDED.fullmatch(row)
    if not found and seeded is not None:
        found = store.history.find(batch, seeded[1], seed=int(seeded[2]))
    if not found:
        store.batches.get(batch)
        raise NotFoundError("job", f"{batch}/{row}", f"`hymo history --batch {batch}` lists them")
    return found
