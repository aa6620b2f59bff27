"""Motions that were made before: whether their files may be reused, and a copy for each job.

Each job has files of its own in its own batch's folder, hard links where the file system allows, so
that deleting another batch takes nothing away.
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
    """Files for the cached jobs of a chunk: under temporary names until the jobs are stored.

    Args:
        folder: of the batch.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._parts: dict[str, Path] = {}

    def take(self, spec: JobSpec, files: Sequence[Artifact]) -> tuple[Artifact, ...] | None:
        """The job's own files, once `place` was called; None when they cannot be had."""
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
        """Rename the files of these jobs into place.

        Raises:
            OSError: one cannot be.
        """
        for job in jobs:
            for file in job.artifacts:
                self._parts[file.path].replace(file.path)

    def clear(self) -> None:
        """Remove what was not wanted. What cannot be removed is left to the manifest's sweep."""
        for part in self._parts.values():
            try:
                # Also after `place`: renaming one link of a file to another leaves both.
                part.unlink(missing_ok=True)
            except OSError:
                return


def _link(source: Path, part: Path) -> None:
    if not source.is_symlink():
        try:
            os.link(source, part)
        except OSError:  # Another file system, or one without links, or somebody else's file.
            pass
        else:
            return
    # Never over a file that is there: it could be a link to somebody's motion.
    with source.open("rb") as old, part.open("xb") as new:
        shutil.copyfileobj(old, new, 2**20)
        new.flush()
        os.fsync(new.fileno())


def lost(artifacts: Sequence[Artifact]) -> bool:
    """Whether a file is certainly gone or of another size: cheap, nothing is read.

    A file that cannot be looked at (no permission, a share that does not answer) is not called
    lost.
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
