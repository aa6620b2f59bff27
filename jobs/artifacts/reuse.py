"""Reuse the files of earlier jobs with the same content.

Each job gets its own files in its batch's folder, hard links if the file system allows, so that
deleting another batch deletes none of them.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from jobs.artifacts.temporary import link_path
from jobs.domain.batches import Artifact, NewJob
from jobs.domain.spec import JobSpec, stem


class ReusedFiles:
    """The files of a chunk's cached jobs in a batch's folder, temporary until they are placed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._parts: dict[str, Path] = {}

    def take(self, spec: JobSpec, files: Sequence[Artifact]) -> tuple[Artifact, ...] | None:
        """Copy the files for a job under temporary names; None if that fails."""
        own = tuple(
            replace(
                file, path=str(self._folder / f"{stem(spec.custom_id, spec.seed)}.{file.format}")
            )
            for file in files
        )
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            for file, mine in zip(files, own, strict=True):
                part = self._parts[mine.path] = link_path(Path(mine.path))
                _link(Path(file.path), part)
        except OSError:
            return None
        return own

    def place(self, jobs: Sequence[NewJob]) -> None:
        """Rename the files of these jobs to their final names; raises `OSError`."""
        for job in jobs:
            for file in job.artifacts:
                self._parts[file.path].replace(file.path)

    def clear(self) -> None:
        """Remove the remaining temporary files; `sweep` later removes those that cannot be."""
        for part in self._parts.values():
            try:
                # A placed file may still have its old name: renaming between two links to the same
                # file does nothing.
                part.unlink(missing_ok=True)
            except OSError:
                return


def _link(source: Path, part: Path) -> None:
    if not source.is_symlink():
        try:
            os.link(source, part)
        except OSError:  # Another file system, one without links, or another user's file.
            pass
        else:
            return
    # Never overwrite an existing file ("xb"): it could be a link to another job's motion.
    with source.open("rb") as old, part.open("xb") as new:
        shutil.copyfileobj(old, new, 2**20)
        new.flush()
        os.fsync(new.fileno())


def lost(artifacts: Sequence[Artifact]) -> bool:
    """Whether any file is certainly missing or has a different size; reads no content.

    A file that cannot be examined (no permission, an unreachable share) does not count as lost.
    """
    return any(map(_is_lost, artifacts))


def _is_lost(artifact: Artifact) -> bool:
    try:
        status = Path(artifact.path).stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return not stat.S_ISREG(status.st_mode) or status.st_size != artifact.size


def reusable(artifacts: Sequence[Artifact], formats: Sequence[str]) -> tuple[Artifact, ...] | None:
    """The files of the given formats if all of them exist and verify; else None.

    A file verifies if it is a regular file of the recorded size and sha256. Sizes are compared
    first, so that nothing is read if a file is missing or truncated.
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
    except (OSError, ValueError):  # ValueError: a path with a NUL.
        return False
    return stat.S_ISREG(status.st_mode) and status.st_size == artifact.size


def _same_content(artifact: Artifact) -> bool:
    try:
        with Path(artifact.path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == artifact.sha256
    except OSError:
        return False
