"""Encoded prompts on disk, so that each prompt is encoded only once across all workers.

Files are `<root>/<revision>/<aa>/<sha256 of the prompt>.safetensors`; `aa` is the hash's first two
digits. Several processes may put, get and sweep at once: entries appear atomically, by renaming,
and anything invalid in their place counts as absent. Entries are not synced to disk one by one:
the checksum detects an entry damaged by a power cut, and the prompt is encoded again.
"""

import os
import re
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from hymotion.conditioning import TextConditioning
from hymotion.text.entry import pack, prompt_hash, unpack
from hymotion.text.errors import StoreError
from hymotion.text.sweeper import ENTRY, PART, Sweeper

REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_-]{0,99}")
TOUCHED_S = 600.0
"""Seconds within which the use of an entry is recorded only once, to spare the disk."""
PUTS_A_LOOK = 8
"""Number of puts per scan of one folder."""


class EmbeddingStore:
    """Stores the features of prompts for one encoder revision.

    Attributes:
        problem: why the last failed put failed, else None.
        counts: by name, since this process opened the store: `hits`, `misses` (including
            `remade`), `remade` (removed because damaged or of another prompt), `stored`,
            `unstored` (see `problem`), `removed` (to make room).
    """

    def __init__(
        self,
        root: Path,
        *,
        revision: str,
        capacity: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Open a store, which need not exist yet.

        Args:
            root: common folder of the stores of all revisions.
            revision: `OfficialEncoder.revision` of the encoder, which includes its quantisation.
            capacity: maximum bytes of the entries of all revisions together.
            clock: seconds since the epoch.

        Raises:
            StoreError: the revision cannot name a folder, or the capacity is not positive.
        """
        if not REVISION.fullmatch(revision):
            mend = "Give the encoder's own revision, such as te-0123456789ab"
            raise StoreError(f"{revision!r} is not a revision", mend=mend)
        if capacity <= 0:
            raise StoreError(f"a capacity of {capacity} bytes keeps nothing", mend="Give more")
        self.problem: str | None = None
        self.counts: Counter[str] = Counter()
        self._folder = root / revision
        self._clock = clock
        self._sweeper = Sweeper(root, capacity=capacity, clock=clock)

    def has(self, prompt: str) -> bool:
        """Whether there is an entry; only `get` checks that it is intact."""
        return self._path(prompt).is_file()

    def get(self, prompt: str) -> TextConditioning | None:
        """The features of a prompt, or None; a damaged entry is removed and counted."""
        path = self._path(prompt)
        try:
            content = path.read_bytes()
            used = path.stat().st_mtime
        except FileNotFoundError:
            self.counts["misses"] += 1
            return None
        except OSError:
            # For example a folder in the entry's place, or a disk error: encode again.
            self._damaged(path)
            return None
        text = unpack(prompt, content)
        if text is None:
            self._damaged(path)
            return None
        self.counts["hits"] += 1
        if used < self._clock() - TOUCHED_S:
            self._touch(path)
        return text

    def put(self, prompt: str, text: TextConditioning) -> bool:
        """Store a prompt's features; false if the disk refused.

        A full or failing disk costs only time, as the caller already has the features.
        """
        path = self._path(prompt)
        content = pack(prompt, text)
        part = path.with_name(f".{path.stem}.{uuid4().hex}{PART}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with part.open("xb") as file:
                file.write(content)
            os.utime(part, (self._clock(),) * 2)
            part.replace(path)
        except OSError as error:
            _discard(part)
            self.problem = f"{path.parent}: {error.strerror or error}"
            self.counts["unstored"] += 1
            return False
        self.counts["stored"] += 1
        self._sweeper.added(path, len(content))
        if self.counts["stored"] % PUTS_A_LOOK == 1:
            self.counts["removed"] += self._sweeper.look(1)
        return True

    def sweep(self) -> int:
        """Scan the whole store and remove entries over capacity; returns the number removed.

        `put` scans a small part each time, so this is only needed occasionally.
        """
        removed = self._sweeper.look()
        self.counts["removed"] += removed
        return removed

    def _path(self, prompt: str) -> Path:
        name = prompt_hash(prompt)
        return self._folder / name[:2] / f"{name}{ENTRY}"

    def _damaged(self, path: Path) -> None:
        self.counts["misses"] += 1
        self.counts["remade"] += 1
        _discard(path)

    def _touch(self, path: Path) -> None:
        try:
            os.utime(path, (self._clock(),) * 2)
        except OSError as error:
            # Removed meanwhile, or another user's file; the features that were read are valid.
            self.problem = f"{path}: {error.strerror or error}"


def _discard(path: Path) -> None:
    # If it cannot be removed, the next read detects the damage again.
    with suppress(OSError):
        path.unlink(missing_ok=True)
