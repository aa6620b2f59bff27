"""One process at a time changes the models of a home."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jobs.domain.installed import FOLDER
from worker.errors import WorkerError
from worker.home import FileLock


class ModelsBusyError(WorkerError):
    """Another process imports or removes models of this home."""

    def __init__(self, folder: Path, pid: str) -> None:
        super().__init__(
            f"process {pid} is importing or removing models in {folder}: wait until it is done"
        )
        self.pid = pid


@contextmanager
def models_lock(home: Path) -> Iterator[None]:
    """Hold the home's models; raises `ModelsBusyError` naming who has them."""
    folder = home / FOLDER
    lock = FileLock(folder / ".lock")
    owner = lock.take()
    if owner is not None:
        raise ModelsBusyError(folder, owner)
    try:
        yield
    finally:
        lock.free()
