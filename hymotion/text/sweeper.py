"""Keeps a folder of stored embeddings under a size: what was not used for longest goes first.

The entries are spread over small folders, and each look at one of them costs the same however
large the store is. A sweeper remembers what it saw, so a store of a hundred thousand entries is
never walked as a whole unless asked for.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from heapq import heapify, heappop
from pathlib import Path

ENTRY = ".safetensors"
PART = ".part"
SPARED_S = 60.0
"""Seconds for which nothing that was put or used is removed, whatever the size."""
ABANDONED_S = 3600.0
"""Seconds after which an unfinished file is nobody's."""
TARGET = 0.95
"""How full a swept store is, so that not every further entry costs a removal."""


@dataclass
class Folder:
    """What was seen in one folder: (used at, bytes, name) of each entry, and entries put since."""

    entries: list[tuple[float, int, str]] = field(default_factory=list)
    size: int = 0


class Sweeper:
    """Looks at folders in turn and removes entries once all it knows of is too much.

    Args:
        root: of the store; its folders are `<revision>/<two hex digits>`.
        capacity: bytes of all entries together.
        clock: seconds since the epoch.
    """

    def __init__(self, root: Path, *, capacity: int, clock: Callable[[], float]) -> None:
        self._root = root
        self._capacity = capacity
        self._clock = clock
        self._known: dict[str, Folder] = {}
        self._turn: list[str] = []

    @property
    def size(self) -> int:
        """Bytes of the entries that are known of."""
        return sum(folder.size for folder in self._known.values())

    def added(self, path: Path, size: int) -> None:
        """An entry was put, of which no look at its folder needs to tell."""
        folder = self._known.setdefault(str(path.parent), Folder())
        folder.entries.append((self._clock(), size, path.name))
        folder.size += size

    def look(self, folders: int | None = None) -> int:
        """Look at the next folders, all by default, then remove what is too much.

        Returns:
            How many entries were removed.
        """
        if folders is None:
            self._turn = []
        if not self._turn:
            self._turn = [*self._folders()]
            self._forget({*self._turn})
        count = len(self._turn) if folders is None else folders
        for path in self._turn[:count]:
            self._read(path)
        del self._turn[:count]
        return self._shrink() if self.size > self._capacity else 0

    def _folders(self) -> Iterator[str]:
        for revision in _scan(self._root):
            if revision.is_dir(follow_symlinks=False):
                yield from (
                    shard.path
                    for shard in _scan(revision.path)
                    if shard.is_dir(follow_symlinks=False)
                )

    def _forget(self, there: set[str]) -> None:
        for path in [path for path in self._known if path not in there]:
            del self._known[path]

    def _read(self, path: str) -> None:
        folder = Folder()
        for file in _scan(path):
            try:
                about = file.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            if file.name.endswith(ENTRY):
                folder.entries.append((about.st_mtime, about.st_size, file.name))
                folder.size += about.st_size
            elif file.name.endswith(PART) and about.st_mtime < self._clock() - ABANDONED_S:
                _remove(file.path)
        self._known[path] = folder

    def _shrink(self) -> int:
        oldest = [
            (used, size, os.path.join(path, name))  # noqa: PTH118  # a Path costs ten times more
            for path, folder in self._known.items()
            for used, size, name in folder.entries
        ]
        heapify(oldest)
        left, removed = self.size, 0
        touched = set()
        spared = self._clock() - SPARED_S
        while oldest and left > TARGET * self._capacity and oldest[0][0] < spared:
            used, size, path = heappop(oldest)
            touched.add(os.path.dirname(path))  # noqa: PTH120 — thousands of paths
            if _used_after(path, used):
                continue
            removed += _remove(path)
            # Gone in either case, if not by us then by another sweeper.
            left -= size
        for path in touched:
            self._read(path)
        return removed


def _used_after(path: str, used: float) -> bool:
    """Whether an entry was used after it was looked at."""
    try:
        return os.stat(path).st_mtime > used  # noqa: PTH116 — thousands of paths
    except FileNotFoundError:
        return False


def _remove(path: str) -> bool:
    try:
        os.unlink(path)  # noqa: PTH108 — thousands of paths
    except FileNotFoundError:
        return False
    return True


def _scan(path: str | Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(path) as found:
            return [*found]
    except (FileNotFoundError, NotADirectoryError):
        return []
