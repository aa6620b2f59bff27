"""The mark in a batch's folder, and its token in the batch's row."""

from __future__ import annotations

import contextlib
from pathlib import Path

from jobs.artifacts.folder import OTHER, Sight, look
from jobs.domain.batches import Batch
from jobs.home import make_home
from jobs.settings import Settings
from jobs.store.store import Store


def see(store: Store, batch: Batch) -> bool:
    """Whether this process may write in the batch's folder."""
    return adopt(store, batch, look(batch.folder, batch.token)).fault is None


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
    """
    root = Path(batch.output)
    if batch.token is not None and _may_create(root, batch, settings):
        with contextlib.suppress(OSError):
            if root.is_relative_to(settings.home):
                make_home(settings.home)
            root.mkdir(parents=True, exist_ok=True)
    return adopt(store, batch, look(batch.folder, batch.token, again=True))


def _may_create(root: Path, batch: Batch, settings: Settings) -> bool:
    """Whether a missing output folder may be created here: see docs/decisions/0013."""
    if settings.database_url.startswith("sqlite"):
        return True
    named = root == settings.home / "output" or root.parent.is_dir()
    return batch.token == "" and named
