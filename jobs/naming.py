"""Find the jobs or the batch that a name refers to: `7`, `night/wave` or `night`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from jobs.errors import NotFoundError

if TYPE_CHECKING:
    from jobs.domain.batches import Batch
    from jobs.store.history.jobrow import JobRow
    from jobs.store.store import Store

#: Longer numbers are not ids: databases count to 2⁶³.
_ID = re.compile(r"[0-9]{1,18}")

#: A row with its seed, in the form of its file names.
_SEEDED = re.compile(r"(.+)_s([0-9]{1,10})")


def find(store: Store, name: str) -> Batch | tuple[JobRow, ...]:
    """The jobs or the batch that `name` refers to.

    `1234` is a job's id, `night/wave` all jobs of a row of a batch, `night/wave_s3` the one with
    seed 3; anything else is a batch. `2024/` is always a batch, even if there is a job 2024. A name
    in another case or normal form is found unless it is ambiguous.

    Raises:
        NotFoundError: no job or batch has this name.
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
    batch = store.batches.get(batch).name
    seeded = _SEEDED.fullmatch(row)
    forms: list[tuple[str, int | None]] = [(row, None)]
    if seeded is not None:
        forms.append((seeded[1], int(seeded[2])))
    for folded in (False, True):
        for custom_id, seed in forms:
            found = store.history.find(batch, custom_id, seed=seed, folded=folded)
            if len(spellings := {job.custom_id for job in found}) > 1:
                mend = f"write {' or '.join(sorted(spellings))}"
                raise NotFoundError("job", f"{batch}/{row}", mend)
            if found:
                return found
    raise NotFoundError("job", f"{batch}/{row}", f"`hymo history --batch {batch}` lists them")
