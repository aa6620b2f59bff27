"""The errors of the worker room."""

from __future__ import annotations

from pathlib import Path

from jobs.errors import JobsError


class WorkerError(JobsError):
    """Root of every error raised in this room; `exit_code` is inherited."""


class DeviceError(WorkerError):
    """The device asked for is not there."""

    exit_code = 2

    def __init__(self, asked: str, present: tuple[str, ...]) -> None:
        super().__init__(
            f"no device {asked!r}: this machine has {', '.join(present)}; choose one with --device"
        )
        self.asked = asked
        self.present = present


class BudgetError(WorkerError):
    """The memory wanted for a worker is not there, or holds no class at all."""

    def __init__(self, device: str, wanted: int, reason: str, mend: str) -> None:
        super().__init__(f"{device}: {wanted / 2**30:.3g} GiB cannot be had: {reason}; {mend}")
        self.device = device
        self.wanted = wanted


class RevisionError(WorkerError):
    """A model on disk is not the revision that jobs are queued for."""

    def __init__(self, model: str, mode: str, found: str, wanted: str) -> None:
        super().__init__(
            f"model {model} {mode} is revision {found}, jobs are queued for {wanted}: "
            "reinstall hymo so that the queue and the model are of one version"
        )
        self.model = model


class PackStoppedError(WorkerError):
    """Sampling was stopped on purpose: every job of the pack was cancelled or lost."""


class OutageError(WorkerError):
    """The database stayed away longer than the worker may ride out."""

    exit_code = 7

    def __init__(self, seconds: float, reason: str) -> None:
        super().__init__(
            f"the database did not answer for {seconds:.0f} s: {reason}; "
            "leases run out by themselves and the jobs are tried again"
        )


class AlreadyUpError(WorkerError):
    """Another `hymo up` or `hymo run` holds this home."""

    def __init__(self, home: str, pid: str) -> None:
        super().__init__(
            f"{home} is in use by process {pid}: stop that `hymo up` first, "
            "or give this one another --home"
        )


class CrewFallenError(WorkerError):
    """No worker could be started; the log says why."""

    def __init__(self, log: Path) -> None:
        super().__init__(f"no worker could be started: read {log}, mend it, run the file again")
        self.log = log
