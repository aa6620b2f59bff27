"""Rotation of the logs of a home, by copying and truncating.

A log is never renamed: its workers and the embedded server go on appending to the open file, also
when the `hymo up` that opened it has ended. For the same reason every process of a home rotates all
of its logs, one process at a time.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from jobs.settings import Settings

log = logging.getLogger(__name__)

#: The names of the logs that `Supervisor` and `EmbeddedBroker` open for appending.
NAMES = ("worker-*.log", "broker.log")
_CHUNK = 2**20


class LogRotation:
    """Keeps each log of a home below a size, and a number of earlier files of it.

    `broker.log.1` is the newest of these. Lines that are written between the last read of the copy
    and the truncation, two system calls that follow each other, are lost. A rotation that is killed
    loses nothing, but may leave lines in two files.

    Args:
        settings: the home, the size (`log_mib`) and the number of files (`log_files`).
    """

    def __init__(self, settings: Settings) -> None:
        self._folder = settings.home / "logs"
        self._size = round(settings.log_mib * 2**20)
        self._kept = settings.log_files
        #: Names of logs whose failure was logged.
        self._failed: set[str] = set()

    def rotate(self) -> None:
        """Rotate the logs that have reached the size.

        A log that cannot be copied, for example because the disk is full, is left as it is.
        """
        for path in self._large():
            try:
                self._rotate(path)
            except OSError as error:
                if path.name not in self._failed:
                    self._failed.add(path.name)
                    reason = error.strerror or error
                    log.warning("%s not rotated (retrying; logged once): %s", path, reason)
            else:
                self._failed.discard(path.name)

    def _large(self) -> Iterator[Path]:
        for path in (path for name in NAMES for path in self._folder.glob(name)):
            try:
                status = path.lstat()
            except OSError:
                continue
            if stat.S_ISREG(status.st_mode) and status.st_size >= self._size:
                yield path

    def _rotate(self, path: Path) -> None:
        number = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
        with os.fdopen(number, "r+b", buffering=0) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return  # another process rotates it
            status = os.fstat(number)
            if status.st_size < self._size:
                return  # another process has rotated it
            # Removed first, so that a full disk has room for the copy.
            _earlier(path, self._kept).unlink(missing_ok=True)
            part = path.with_name(f".{path.name}.part")
            part.unlink(missing_ok=True)  # of a rotation that was killed
            try:
                with part.open("xb") as copy:
                    os.fchmod(copy.fileno(), stat.S_IMODE(status.st_mode))
                    shutil.copyfileobj(file, copy, _CHUNK)
                    copy.flush()
                    for n in range(self._kept - 1, 0, -1):
                        if _earlier(path, n).exists():
                            _earlier(path, n).replace(_earlier(path, n + 1))
                    part.replace(_earlier(path, 1))
                    shutil.copyfileobj(file, copy, _CHUNK)  # appended meanwhile
                    copy.flush()
                    file.truncate(0)
            finally:
                part.unlink(missing_ok=True)


def _earlier(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")
