"""Encoded prompts on disk, so that each is encoded once, by whichever worker.

`<root>/<revision>/<aa>/<sha256 of the prompt>.safetensors`, `aa` being the hash's first digits.
Several processes may put, get and sweep at once: entries appear whole, by renaming, and whatever
else is found in their place is taken as absent. Entries are not flushed to the disk one by one:
what a power cut leaves of one is found out by its checksum, and the prompt is encoded again.
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
"""Seconds within which an entry's use is noted once, to spare the disk."""
PUTS_A_LOOK = 8
"""How many entries are put for each folder that is looked at."""


class EmbeddingStore:
    """The features of one encoder's prompts.

    Attributes:
        problem: why the last entry that could not be put was not, else None.
        counts: by name, since this process opened the store: `hits` and `misses` (those to be made
            again included), `remade` (damaged or not what their name said, and removed),
            `stored`, `unstored` (see `problem`), `removed` (had to go for others).
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
            root: of the stores of all revisions.
            revision: of the encoder, with how it is quantised: `OfficialEncoder.revision`.
            capacity: bytes that the entries of all revisions may take together.
            clock: seconds since the epoch.

        Raises:
            StoreError: the revision can be no folder's name, or there is no capacity.
        """
        if not REVISION.fullmatch(revision):
            mend = "Give the encoder's own revision, such as te-0123456789ab"
            raise StoreError(f"{revision!r} is no revision", mend=mend)
        if capacity <= 0:
            raise StoreError(f"a capacity of {capacity} bytes keeps nothing", mend="Give more")
        self.problem: str | None = None
        self.counts: Counter[str] = Counter()
        self._folder = root / revision
        self._clock = clock
        self._sweeper = Sweeper(root, capacity=capacity, clock=clock)

    def has(self, prompt: str) -> bool:
        """Whether there is an entry; `get` alone finds out whether it is sound."""
        return self._path(prompt).is_file()

    def get(self, prompt: str) -> TextConditioning | None:
        """The features of a prompt, or None; what is damaged is removed and counted."""
        path = self._path(prompt)
        try:
            content = path.read_bytes()
            used = path.stat().st_mtime
        except FileNotFoundError:
            self.counts["misses"] += 1
            return None
        except OSError:
            # A folder in an entry's place, a disk that fails: encoding again needs neither.
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
        """Keep a prompt's features; false where the disk would not take them.

        A full or failing disk loses nothing but time: the caller has the features and goes on.
        """
        path = self._path(prompt)
        content = pack(prompt, text)
        part = path.with_name(f".{path.stem}.{uuid4().hex}{PART}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(content)
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
        """Look at the whole store and remove what is too much; returns how many entries went.

        `put` looks at a small part of it each time, so this is for once in a while.
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
            # Swept away meanwhile, or another user's file: what was read is no worse for it.
            self.problem = f"{path}: {error.strerror or error}"


def _discard(path: Path) -> None:
    # If it stays, it is as damaged as it was, and is looked through again next time.
    with suppress(OSError):
        path.unlink(missing_ok=True)
