"""The errors of the worker room."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jobs.errors import JobsError


class WorkerError(JobsError):
    """Root of every error raised in this room; `exit_code` is inherited."""


class DeviceChoiceError(WorkerError):
    """The device asked for is not there. `flag` is the option that asked."""

    exit_code = 2

    def __init__(self, asked: str, present: tuple[str, ...], flag: str = "--device") -> None:
        super().__init__(
            f"no device {asked!r}: this machine has {', '.join(present)}; choose one with {flag}"
        )
        self.asked = asked
        self.present = present


class BudgetError(WorkerError):
    """The memory wanted for a worker is not there, or holds no class at all."""

    def __init__(self, device: str, wanted: int, reason: str, mend: str) -> None:
        super().__init__(f"{device}: {wanted / 2**30:.3g} GiB cannot be had: {reason}; {mend}")
        self.device = device
        self.wanted = wanted


class WeightsError(WorkerError):
    """A model that jobs may name, and whose weights are not on this machine."""

    exit_code = 2

    def __init__(self, model: str, modes: tuple[str, ...], present: tuple[str, ...]) -> None:
        wanted = " and ".join(modes)
        there = f", only {' and '.join(present)}" if present else ""
        super().__init__(
            f"model {model} cannot be loaded: its weights of {wanted} are not installed{there}; "
            "import them with `hymo models import`, or leave it out of --models"
        )
        self.model = model
        self.modes = modes


class EncoderError(WorkerError):
    """A text encoder that is installed and cannot be used here."""

    exit_code = 2

    def __init__(self, model: str, reason: str, mend: str) -> None:
        super().__init__(
            f"the text encoder of {model} cannot be used: {reason}: {mend}; "
            "or leave texts to another worker with --text-plan cached"
        )
        self.model = model


class EngineError(WorkerError):
    """The model library cannot load or run a model on this device. Starting again mends nothing."""

    exit_code = 2

    def __init__(self, reason: str) -> None:
        super().__init__(f"no job can be done here: {reason}")


class NotFiniteError(WorkerError):
    """Decoded motions hold numbers that are not finite.

    Attributes:
        indices: their positions in the pack.
    """

    def __init__(self, indices: Sequence[int]) -> None:
        shown = ", ".join(map(str, indices))
        super().__init__(
            f"decoded motions are not finite, jobs {shown} of the pack; make them again with a "
            "lower guidance, or in float32"
        )
        self.indices = tuple(indices)


class BrokenError(WorkerError):
    """Sampling failed in float32 too.

    Attributes:
        indices: positions in the pack of the jobs that failed.
    """

    def __init__(self, story: str, indices: Sequence[int]) -> None:
        super().__init__(f"in float32: {story}")
        self.indices = tuple(indices)


class FeaturesError(WorkerError):
    """What is stored of a motion for its distance to real ones is damaged; says how."""

    def __init__(self, damage: str) -> None:
        super().__init__(
            f"a blob in the table motion_features {damage}; delete that row, or leave its motion "
            "out with --since, --until or --batch"
        )
        self.damage = damage


class RevisionError(WorkerError):
    """A model on disk is not the revision that jobs are queued for."""

    def __init__(self, model: str, mode: str, found: str, wanted: str) -> None:
        super().__init__(
            f"model {model} {mode} is revision {found}, jobs are queued for {wanted}: "
            "reinstall hymo so that the queue and the model are of one version"
        )
        self.model = model


class UnkeptError(WorkerError):
    """An encoded text cannot be put in the store, and nobody samples without it."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"an encoded text cannot be kept: {reason}; make room there, or set HYMO_EMBEDDINGS "
            "to a folder on another disk"
        )


class PackStoppedError(WorkerError):
    """Sampling was stopped on purpose: every job of the pack was cancelled or lost."""


class OutageError(WorkerError):
    """The database stayed away for longer than the worker may wait."""

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
            f"process {pid} has {home} (`hymo up` or `hymo run`): end it first, "
            "or give this one another --home"
        )
        self.pid = pid


class WorkersExitedError(WorkerError):
    """No worker could be started; the log says why."""

    def __init__(self, log: Path) -> None:
        super().__init__(f"no worker could be started: read {log}, mend it, run the file again")
        self.log = log


class StoppedError(WorkerError):
    """A signal asked this process to stop."""

    exit_code = 130

    def __init__(self) -> None:
        super().__init__("stopped by a signal; start it again to go on")


class StuckError(WorkerError):
    """What is left of a batch will not be done by anybody who is there."""

    def __init__(self, batch: str, jobs: int, reasons: tuple[str, ...], mend: str) -> None:
        noun = "job" if jobs == 1 else "jobs"
        super().__init__(f"{jobs} {noun} of batch {batch} left: {'; '.join(reasons)}; {mend}")
        self.batch = batch
        self.jobs = jobs
        self.reasons = reasons
