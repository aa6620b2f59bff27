"""Reads the motions of finished jobs from their files."""

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

#: The format that motions are read from.
SOURCE = "npz"

MENDS = {
    State.QUEUED: "`hymo watch {batch}` waits for it",
    State.RUNNING: "`hymo watch {batch}` waits for it",
    State.FAILED: "`hymo show {id}` says why, `hymo retry {id}` tries it again",
    State.CANCELLED: "`hymo retry {id}` queues it again",
}


class NoMotionError(WorkerError):
    """The motion of a job cannot be read.

    Attributes:
        job: the id of the job.
        path: the damaged or missing file; None if the job has none.
    """

    def __init__(self, job: JobRow, reason: str, mend: str, path: Path | None = None) -> None:
        name = f"{job.batch}/{stem(job.custom_id, job.seed)}"
        where = "" if path is None else f"{path}: "
        super().__init__(f"job {job.id} ({name}): {where}{reason}; {mend}")
        self.job = job.id
        self.path = path


def read_motion(job: JobRow) -> Recording:
    """Read the motion of a job from its file, after comparing size and sha256.

    Args:
        job: the job, with its files.

    Raises:
        NoMotionError: the job is not done, or its file is missing, changed or not a motion.
    """
    from hymotion.errors import MotionFileError
    from hymotion.export import read_npz

    artifact = motion_artifact(job)
    path = Path(artifact.path)
    if lost([artifact]):
        mend = "submit its prompt file again, which queues jobs with missing files"
        raise NoMotionError(job, "is missing or its size has changed", mend, path)
    if reusable([artifact], [SOURCE]) is None:
        mend = "to restore it, remove it and submit its prompt file again"
        raise NoMotionError(job, "cannot be read, or was changed", mend, path)
    try:
        return read_npz(path)
    except MotionFileError as error:
        raise NoMotionError(job, error.problem, error.mend) from error


def motion_artifact(job: JobRow) -> Artifact:
    """The file that contains a job's motion; raises `NoMotionError` if there is none."""
    if job.state is not State.SUCCEEDED:
        mend = MENDS[job.state].format(batch=job.batch, id=job.id)
        raise NoMotionError(job, f"is {job.state}, there is no motion yet", mend)
    found = [each for each in job.artifacts if each.format == SOURCE]
    if not found:
        has = ", ".join(each.format for each in job.artifacts) or "no files"
        mend = f"submit the row with {SOURCE} among its formats"
        raise NoMotionError(job, f"has {has} and no .{SOURCE} to read the motion from", mend)
    return found[0]
