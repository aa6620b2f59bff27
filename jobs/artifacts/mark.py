"""The mark in a batch's folder, and its token in the batch's row."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

from jobs.artifacts.folder import OTHER, Sight, look
from jobs.artifacts.place import PlaceError, batch_folder, is_below
from jobs.domain.batches import Batch
from jobs.home import make_home
from jobs.settings import Settings
from jobs.store.store import Store


def see(store: Store, batch: Batch, roots: Sequence[Path] = ()) -> bool:
    """Whether this process may write in the batch's folder, which is below one of the roots."""
    try:
        folder = batch_folder(batch.output, batch.name)
    except PlaceError:
        return False
    return adopt(store, batch, look(folder, batch.token, roots=roots)).fault is None


def adopt(store: Store, batch: Batch, seen: Sight) -> Sight:
    """Make the folder that was looked at the batch's if the batch has none yet.

    Several machines may have found a folder of this path at once: the first one to record the token
    of its mark has the batch's folder.
    """
    if batch.token or seen.token is None:
        return seen
    won = store.batches.adopt(batch.id, seen.token) == seen.token
    return seen if won else Sight(fault=OTHER)


def lay(store: Store, batch: Batch, settings: Settings) -> Sight:
    """Lay the mark of a batch on behalf of a user who names its output folder on this machine.

    Returns:
        What was found. If the folder has a fault here, it is not used here; the first worker that
        has the output folder lays the mark, or already has.

    Raises:
        PlaceError: the batch's row names no folder that it could have.
    """
    root = Path(batch.output)
    if batch.token is not None and _may_create(root, batch, settings):
        with contextlib.suppress(OSError):
            if root.is_relative_to(settings.home):
                make_home(settings.home)
            root.mkdir(parents=True, exist_ok=True)
    folder = batch_folder(batch.output, batch.name)
    seen = look(folder, batch.token, again=True, roots=settings.output_roots)
    return adopt(store, batch, seen)


def _may_create(root: Path, batch: Batch, settings: Settings) -> bool:
    """Whether a missing output folder may be created here: see docs/decisions/0013."""
    if not is_below(root, settings.output_roots):
        return False
    if settings.database_url.startswith("sqlite"):
        return True
    named = root == settings.home / "output" or root.parent.is_dir()
    return batch.token == "" and named
