"""Files that people asked for: written beside their place and put there whole."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from worker.errors import WorkerError


class LandingError(WorkerError):
    """A file cannot be written where it was asked for."""

    def __init__(self, path: Path, error: OSError) -> None:
        mend = {
            errno.ENOSPC: "free space on that disk",
            errno.EDQUOT: "the user's quota is used up: free space",
            errno.EEXIST: "a file has the name of a folder: name another with --out",
            errno.ENOTDIR: "a file has the name of a folder: name another with --out",
            errno.EISDIR: "a folder has that name: name another with --out",
        }.get(error.errno or 0, "name a folder that you can write with --out")
        super().__init__(f"{path}: {error.strerror or error}; {mend}")
        self.path = path


@contextmanager
def landing(final: Path) -> Iterator[Path]:
    """A temporary name beside `final`, which becomes `final` when the block ends well.

    The folder is made. Whatever ends the block otherwise, nothing is left of it and what was at
    `final` is still there.

    Raises:
        LandingError: naming the file and the mend.
    """
    part = final.with_name(f".{final.name}.{os.getpid()}.part")
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield part
            part.replace(final)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise LandingError(final, error) from error
