"""Tests whether a folder is writable by writing a file."""

from __future__ import annotations

import tempfile
from pathlib import Path


def probe(folder: Path) -> tuple[Path, str | None]:
    """Write a file to the folder, or to its nearest existing parent, and remove it again.

    Permissions alone do not show read-only file systems, full disks and quotas, and root ignores
    them.

    Returns:
        The folder that was tested, and why it cannot be written; None: it can.
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
