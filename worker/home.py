"""The lock on a home: one owner of its embedded server and worker processes at a time."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from worker.errors import AlreadyUpError


class HomeLock:
    """Held by `hymo up` and `hymo run` while they own a home. The kernel frees it on any death.

    Args:
        home: the folder; made if need be.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._file: int | None = None

    def __enter__(self) -> Self:
        """Take the lock; raises `AlreadyUpError` naming who has it."""
        self._home.mkdir(parents=True, exist_ok=True)
        file = os.open(self._home / "up.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(file, 32).decode("ascii", "replace").strip() or "?"
            os.close(file)
            raise AlreadyUpError(str(self._home), owner) from None
        os.ftruncate(file, 0)
        os.write(file, str(os.getpid()).encode())
        self._file = file
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
