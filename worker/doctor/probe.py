"""Whether a folder can be written in, tried rather than read off its permissions."""

from __future__ import annotations

import tempfile
from pathlib import Path


def probe(folder: Path) -> tuple[Path, str | None]:
    """The folder, or the nearest one above it that is there, and what keeps us from writing in it.

    A file is really written there (and removed): permissions alone do not tell of read-only file
    systems, full disks and quotas, nor, to root, of anything.
    """
    existing = folder
    try:
        while not existing.exists():
            existing = existing.parent
        if not existing.is_dir():
            return existing, f"{existing} is not a folder"
        with tempfile.NamedTemporaryFile(prefix=".hymo-probe-", dir=existing) as file:
            file.write(b"probe")
            file.flush()
    except OSError as error:
        return existing, f"{existing} cannot be written ({error.strerror or error})"
    return existing, None
