"""Locks in a home, files that the kernel frees when their holder dies: one owner of its embedded
server and worker processes at a time, and one process a worker."""

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
from worker.errors import AlreadyUpError, WorkerError


class FileLock:
    """A lock on a file, in which stands who has it.

    Args:
        path: the file; made, with its folder, if need be.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None

    def take(self) -> str | None:
        """Try to take the lock; the process id of who has it, or None: it is ours now."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(file, 32).decode("ascii", "replace").strip() or "?"
            os.close(file)
            return owner
        os.ftruncate(file, 0)
        os.write(file, str(os.getpid()).encode())
        self._file = file
        return None

    def free(self) -> None:
        """Give it back; nothing happens if it is not ours."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


class HomeLock:
    """Held by `hymo up` and `hymo run` while they own a home.

    Args:
        home: the folder; made if need be.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._lock = FileLock(home / "up.lock")

    def __enter__(self) -> Self:
        """Take the lock; raises `AlreadyUpError` naming who has it."""
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
    """The lock of one worker: a process of the same name on the same device takes its place only
    when it is gone, whoever started either. Several workers on a device need different names."""
    return FileLock(home / "locks" / f"{quote(f'{device}-{name}', safe='')}.lock")


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
