"""Whether the files of an earlier job are still what its row says, so that they may be reused."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Sequence
from pathlib import Path

from jobs.records import Artifact


def reusable(artifacts: Sequence[Artifact], formats: Sequence[str]) -> tuple[Artifact, ...] | None:
    """The files of the wanted formats, if all of them are there and verify; else None.

    A file verifies when it is a regular file of the recorded size and sha256. Sizes are compared
    first, so that a missing or truncated file costs no reading.
    """
    by_format = {artifact.format: artifact for artifact in artifacts}
    wanted = [by_format[name] for name in formats if name in by_format]
    if len(wanted) < len(formats):
        return None
    if all(map(_same_size, wanted)) and all(map(_same_content, wanted)):
        return tuple(wanted)
    return None


def _same_size(artifact: Artifact) -> bool:
    try:
        status = Path(artifact.path).stat()
    except (OSError, ValueError):  # ValueError: a path that no file system takes.
        return False
    return stat.S_ISREG(status.st_mode) and status.st_size == artifact.size


def _same_content(artifact: Artifact) -> bool:
    try:
        with Path(artifact.path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == artifact.sha256
    except OSError:
        return False
