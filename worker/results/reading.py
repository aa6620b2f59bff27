"""Motions of jobs that are done, read back from their files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from jobs.artifacts.reuse import lost, reusable
from jobs.domain.spec import stem
from jobs.domain.states import State
from worker.errors import WorkerError

if TYPE_CHECKING:
    from hymotion.export import Recording
    from jobs.domain.batches import Artifact
    from jobs.store.history.jobrow import JobRow

#: The format that motions are read back from.
SOURCE = "npz"

MENDS = {
    State.QUEUED: "`hymo watch {batch}` waits for it",
    State.RUNNING: "`hymo watch {batch}` waits for it",
    State.FAILED: "`hymo show {id}` says why, `hymo retry {id}` tries it again",
    State.CANCELLED: "`hymo retry {id}` brings it back",
}


class NoMotionError(WorkerError):
    """A job whose motion cannot be read.

    Attributes:
        job: its id.
        path: of the file at fault; None where the job has none.
    """

    def __init__(self, job: JobRow, reason: str, mend: str, path: Path | None = None) -> None:
        name = f"{job.batch}/{stem(job.custom_id, job.seed)}"
        where = "" if path is None else f"{path}: "
        super().__init__(f"job {job.id} ({name}): {where}{reason}; {mend}")
        self.job = job.id
        self.path = path


def read_motion(job: JobRow) -> Recording:
    """The motion of a job, from its file as it was recorded: size and sha256 are compared.

    Args:
        job: with its files.

    Raises:
        NoMotionError: it is not done, or its file is gone, was changed, or is no motion.
    """
    from hymotion.errors import MotionFileError
    from hymotion.export import read_npz

    artifact = motion_artifact(job)
    path = Path(artifact.path)
    if lost([artifact]):
        mend = "submit its prompt file again, which queues what lost its files"
        raise NoMotionError(job, "is gone or of another size than was written", mend, path)
    if reusable([artifact], [SOURCE]) is None:
        mend = "if it should be as it was, remove it and submit its prompt file again"
        raise NoMotionError(job, "cannot be read, or was changed since", mend, path)
    try:
        return read_npz(path)
    except MotionFileError as error:
        raise NoMotionError(job, error.problem, error.mend) from error


def motion_artifact(job: JobRow) -> Artifact:
    """The file that a job's motion is read from; raises `NoMotionError` if it has none."""
    if job.state is not State.SUCCEEDED:
        mend = MENDS[job.state].format(batch=job.batch, id=job.id)
        raise NoMotionError(job, f"is {job.state}, there is no motion yet", mend)
    found = [each for each in job.artifacts if each.format == SOURCE]
    if not found:
        has = ", ".join(each.format for each in job.artifacts) or "no files"
        mend = f"submit the row with {SOURCE} among its formats"
        raise NoMotionError(job, f"has {has} and no .{SOURCE} to read the motion from", mend)
    return found[0]
