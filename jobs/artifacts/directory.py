"""A folder that is changed by the names in it, never through a link."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@dataclass(frozen=True)
class File:
    """A regular file in a folder.

    Attributes:
        used_at: when it was last written or touched, epoch seconds.
        bytes: bytes of disk space that removing it frees: 0 if other folders have it as well.
    """

    name: str
    used_at: float
    bytes: int


@dataclass
class FileCount:
    """Number of files, and the bytes of disk space that removing them frees."""

    files: int = 0
    bytes: int = 0

    def add(self, file: File) -> None:
        """Count a file."""
        self.merge(FileCount(1, file.bytes))

    def merge(self, other: FileCount) -> None:
        """Add another count."""
        self.files += other.files
        self.bytes += other.bytes


@dataclass(frozen=True)
class Directory:
    """An open folder. What is renamed or linked in its place meanwhile is not touched.

    Every method raises `OSError` if the file system fails.
    """

    number: int

    @classmethod
    @contextmanager
    def open(cls, path: Path) -> Iterator[Self]:
        """Open a folder that the user named, which may be a link."""
        number = os.open(path, _FLAGS)
        try:
            yield cls(number)
        finally:
            os.close(number)

    @contextmanager
    def inner(self, name: str) -> Iterator[Directory]:
        """Open a folder in this one; raises `OSError` for a link, and if there is none."""
        if "/" in name or name in {"", ".", ".."}:
            raise NotADirectoryError(f"{name!r} is not the name of a folder")
        number = os.open(name, _FLAGS | os.O_NOFOLLOW, dir_fd=self.number)
        try:
            yield Directory(number)
        finally:
            os.close(number)

    def files(self) -> Iterator[File]:
        """The regular files; links are none."""
        with os.scandir(self.number) as entries:
            for entry in entries:
                if not entry.is_file(follow_symlinks=False):
                    continue
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                size = status.st_size if status.st_nlink == 1 else 0
                yield File(entry.name, status.st_mtime, size)

    def folders(self) -> list[str]:
        """The names of the folders in this one; links are none."""
        with os.scandir(self.number) as entries:
            return [each.name for each in entries if each.is_dir(follow_symlinks=False)]

    def unlink(self, name: str) -> None:
        """Remove a file of `files`, unless it is gone."""
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self.number)

    def rmdir(self, name: str) -> bool:
        """Remove a folder in this one if it is empty. Returns whether it is gone."""
        try:
            os.rmdir(name, dir_fd=self.number)
        except FileNotFoundError:
            return True
        except OSError:  # not empty, or not a folder
            return False
        return True
