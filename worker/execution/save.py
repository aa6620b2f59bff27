"""Saving: files are written under a temporary name, and renamed once the result is accepted."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from jobs.artifacts.temporary import part_path
from jobs.domain.attempts import Claim, Success
from jobs.domain.batches import Artifact
from jobs.domain.spec import stem
from worker.errors import WorkerError

log = logging.getLogger(__name__)

#: Writes one format of a motion to a path; False when there is nothing to write.
Write = Callable[[Claim, Any, str, Path], bool]


class SaveError(WorkerError):
    """A file of a job cannot be written."""

    def __init__(self, path: Path, error: OSError) -> None:
        mend = {
            errno.ENOSPC: "free space on that disk, then `hymo retry` the job",
            errno.EDQUOT: "the user's quota is used up: free space, then `hymo retry` the job",
            errno.EACCES: "give the worker's user the right to write there",
            errno.EROFS: "the file system is read-only: choose another --output",
        }.get(error.errno or 0, "see that the folder exists on this machine and can be written")
        super().__init__(f"{path}: {error.strerror or error}; {mend}")
        self.path = path


def final_path(claim: Claim, format_: str) -> Path:
    """`<output>/<batch>/<id>_s<seed>.<format>`."""
    return Path(claim.output) / claim.batch / f"{stem(claim.custom_id, claim.seed)}.{format_}"


def save(claim: Claim, motion: Any, write: Write) -> tuple[Artifact, ...]:
    """Write every format of a motion under temporary names, synced to disk.

    Returns:
        The artifacts as they will be once `publish` renamed them.

    Raises:
        SaveError: naming the file and the mend. After this or any other error nothing is left of
            the attempt's files.
    """
    try:
        return tuple(_written(claim, motion, write))
    except BaseException:
        discard(claim)
        raise


def _written(claim: Claim, motion: Any, write: Write) -> Iterator[Artifact]:
    for format_ in claim.formats:
        final = final_path(claim, format_)
        part = part_path(final, claim.attempt)
        try:
            final.parent.mkdir(parents=True, exist_ok=True)
            if not write(claim, motion, format_, part):
                continue
            size, digest = _seal(part)
        except OSError as error:
            raise SaveError(final, error) from error
        yield Artifact(format=format_, path=str(final), size=size, sha256=digest)


def publish(result: Success) -> None:
    """Rename a job's files into place and clear what earlier attempts left half-done.

    Runs inside the transaction that accepts the result (see `CompletionStore.succeed`), and again
    when that one could not commit: files that are in place already are left there.
    """
    for artifact in result.artifacts:
        final = Path(artifact.path)
        try:
            part_path(final, result.claim.attempt).replace(final)
        except FileNotFoundError:
            if not _same(final, artifact):
                raise
        for earlier in range(1, result.claim.attempt):
            part_path(final, earlier).unlink(missing_ok=True)


def discard(claim: Claim) -> None:
    """Remove what an attempt wrote and nobody will accept. What cannot be removed stays: a disk
    in trouble is the job's failure to tell of, and no reason to end the worker."""
    for format_ in claim.formats:
        part = part_path(final_path(claim, format_), claim.attempt)
        try:
            part.unlink(missing_ok=True)
        except OSError as error:
            log.warning("%s is left over: %s", part, error.strerror or error)


def _same(path: Path, artifact: Artifact) -> bool:
    """Whether the file is the one that was saved."""
    return path.is_file() and _seal(path) == (artifact.size, artifact.sha256)


def _seal(path: Path) -> tuple[int, str]:
    with path.open("rb") as file:
        os.fsync(file.fileno())
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return os.fstat(file.fileno()).st_size, digest
