"""Saves files under a temporary name, and renames them when the result is accepted."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from jobs.artifacts.folder import LINKED, OUTSIDE, look
from jobs.artifacts.place import PlaceError, batch_folder, is_named_below, job_file, leads_out
from jobs.artifacts.temporary import part_path
from jobs.domain.attempts import Claim, Success
from jobs.domain.batches import Artifact
from worker.errors import WorkerError

log = logging.getLogger(__name__)

#: Writes one format of a motion to a path where nothing is; returns False if there is nothing to
#: write.
Write = Callable[[Claim, Any, str, Path], bool]


#: Seconds for which a look at a folder holds for the next motions of its pack.
RECENT = 0.25


class SaveError(WorkerError):
    """A file of a job cannot be written."""

    def __init__(self, path: Path, error: OSError) -> None:
        mend = {
            errno.ENOSPC: "free space on that disk, then `hymo retry` the job",
            errno.EDQUOT: "the user's quota is used up: free space, then `hymo retry` the job",
            errno.EACCES: "give the worker's user write permission there",
            errno.EROFS: "the file system is read-only: choose another --output",
        }.get(error.errno or 0, "check that the folder exists on this machine and is writable")
        super().__init__(f"{path}: {error.strerror or error}; {mend}")
        self.path = path
        self.error = error


def final_path(claim: Claim, format_: str) -> Path:
    """`<output>/<batch>/<id>_s<seed>.<format>`; raises `PlaceError`."""
    return job_file(claim.output, claim.batch, claim.custom_id, claim.seed, format_)


def require_place(claim: Claim, roots: Sequence[Path]) -> None:
    """Check where the files of a job would be written, before anything is done for it.

    Only names are compared, since the folder may be on a share that does not answer; `look` follows
    links.

    Args:
        claim: the job.
        roots: the folders below which this worker writes; none: anywhere.

    Raises:
        PlaceError: not all of them would be in the folder of its batch, below a root.
    """
    for format_ in claim.formats:
        final_path(claim, format_)
    if not is_named_below(Path(claim.output), roots):
        raise PlaceError("output folder", claim.output, OUTSIDE)


def save(claim: Claim, motion: Any, write: Write) -> tuple[Artifact, ...]:
    """Write every format of a motion under a temporary name and sync it to disk.

    Returns:
        The artifacts, with the paths that `publish` will give them.

    Raises:
        SaveError: a file cannot be written. After any error, the files of the attempt are removed.
    """
    try:
        return tuple(_written(claim, motion, write))
    except BaseException:
        discard(claim)
        raise


def _written(claim: Claim, motion: Any, write: Write) -> Iterator[Artifact]:
    folder = batch_folder(claim.output, claim.batch)
    fault = look(folder, claim.token, recent=RECENT).fault
    if fault is not None:
        raise SaveError(folder, OSError(errno.ENOENT, fault))
    for format_ in claim.formats:
        final = final_path(claim, format_)
        part = part_path(final, claim.attempt)
        try:
            if claim.token is None:
                if leads_out(folder, Path(claim.output)):
                    raise PlaceError("batch name", claim.batch, LINKED)
                folder.mkdir(parents=True, exist_ok=True)
            part.unlink(missing_ok=True)  # of this attempt's last try; a link is not followed
            if not write(claim, motion, format_, part):
                continue
            size, digest = _seal(part)
        except OSError as error:
            raise SaveError(final, error) from error
        yield Artifact(format=format_, path=str(final), size=size, sha256=digest)


def publish(result: Success) -> None:
    """Rename a job's files to their final names and remove partial files of earlier attempts.

    It runs inside the transaction that accepts the result (see `CompletionStore.succeed`), and
    again if that cannot commit: files that are already renamed are left as they are.
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
    """Remove the temporary files of an attempt.

    A file that cannot be removed is only logged: a disk error must not end the worker.
    """
    for format_ in claim.formats:
        part = part_path(final_path(claim, format_), claim.attempt)
        try:
            part.unlink(missing_ok=True)
        except OSError as error:
            log.warning("%s could not be removed: %s", part, error.strerror or error)


def _same(path: Path, artifact: Artifact) -> bool:
    """Whether the file has the size and the hash of the artifact."""
    return path.is_file() and _seal(path) == (artifact.size, artifact.sha256)


def _seal(path: Path) -> tuple[int, str]:
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
        os.fsync(file.fileno())
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return os.fstat(file.fileno()).st_size, digest
