"""File locks of a home: one owner of the embedded server and the workers, one process per worker.

The kernel releases a lock when its process ends.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from jobs.domain.installed import FOLDER
from jobs.home import make_home
from worker.errors import AlreadyUpError, LockFileError, WorkerError


class FileLock:
    """A lock on a file that contains the process id of its owner.

    Args:
        path: the file; it and its folder are created if missing.
        home: the home that it is in; created if missing.
    """

    def __init__(self, path: Path, *, home: Path) -> None:
        self._path = path
        self._home = home
        self._file: int | None = None

    def take(self) -> str | None:
        """Try to take the lock. Returns None on success, else the owner's process id.

        Raises:
            LockFileError: the file cannot be written.
        """
        try:
            return self._take()
        except OSError as error:
            raise LockFileError(self._path, error) from error

    def _take(self) -> str | None:
        make_home(self._home)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(file, 32).decode("ascii", "replace").strip() or "?"
            os.close(file)
            return owner
        try:
            os.ftruncate(file, 0)
            os.write(file, str(os.getpid()).encode())
        except OSError:
            os.close(file)
            raise
        self._file = file
        return None

    def free(self) -> None:
        """Release the lock, if this process has it."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


class HomeLock:
    """The lock that `hymo up` and `hymo run` hold while they own a home.

    Args:
        home: the folder; created if missing.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._lock = FileLock(home / "up.lock", home=home)

    def __enter__(self) -> Self:
        """Take the lock; raises `AlreadyUpError` naming the owner."""
        owner = self._lock.take()
        if owner is not None:
            raise AlreadyUpError(str(self._home), owner)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lock.free()


def worker_lock(home: Path, *, device: str, name: str) -> FileLock:
    """The lock of the worker of this name on this device.

    A second worker of the same name and device waits for it, even if another process started the
    first. Several workers on one device need different names.
    """
    file = f"{quote(f'{device}-{name}', safe='')}.lock"
    return FileLock(home / "locks" / file, home=home)


class ModelsBusyError(WorkerError):
    """Another process is importing or removing models of this home."""

    def __init__(self, folder: Path, pid: str) -> None:
        super().__init__(
            f"process {pid} is importing or removing models in {folder}: wait until it is done"
        )
        self.pid = pid


@contextmanager
def models_lock(home: Path) -> Iterator[None]:
    """Lock the home's models; raises `ModelsBusyError` naming the owner of the lock."""
    folder = home / FOLDER
    lock = FileLock(folder / ".lock", home=home)
    owner = lock.take()
    if owner is not None:
        raise ModelsBusyError(folder, owner)
    try:
        yield
    finally:
        lock.free()
