"""A disk of a few MiB, to fill."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.faults.mounts import needs_mounts


class SmallDisk:
    """A mounted disk; `folder` is its root."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self) -> None:
        """Take all the room that is left."""
        with contextlib.suppress(OSError), self._filler.open("ab", buffering=0) as file:
            while True:
                file.write(bytes(4096))

    def free(self) -> None:
        """Give the room back."""
        self._filler.unlink()


@contextmanager
def small_disk(mib: int) -> Iterator[SmallDisk]:
    """A tmpfs of `mib` MiB; the test is skipped where this user cannot mount one."""
    needs_mounts()
    with tempfile.TemporaryDirectory(prefix="hymo-d-") as folder:
        words = ["mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=755", "tmpfs", folder]
        subprocess.run(words, capture_output=True, check=True)
        try:
            yield SmallDisk(Path(folder))
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)
