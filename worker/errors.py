"""The errors of the worker package."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jobs.domain.attempts import Claim
from jobs.domain.states import DEVICE_FAULT
from jobs.errors import JobsError


class WorkerError(JobsError):
    """Base class of every error raised in this package."""


class DeviceChoiceError(WorkerError):
    """The requested device does not exist. `flag` is the option that requested it."""

    exit_code = 2

    def __init__(self, asked: str, present: tuple[str, ...], flag: str = "--device") -> None:
        super().__init__(
            f"no device {asked!r}: this machine has {', '.join(present)}; choose one with {flag}"
        )
        self.asked = asked
        self.present = present


class BudgetError(WorkerError):
    """The memory budget of a worker is not available, or is too small for any class."""

    def __init__(self, device: str, wanted: int, reason: str, mend: str) -> None:
        super().__init__(f"{device}: {wanted / 2**30:.3g} GiB not available: {reason}; {mend}")
        self.device = device
        self.wanted = wanted


class WeightsError(WorkerError):
    """The weights of a model are not installed on this machine."""

    exit_code = 2

    def __init__(self, model: str, modes: tuple[str, ...], present: tuple[str, ...]) -> None:
        wanted = " and ".join(modes)
        there = f", only {' and '.join(present)}" if present else ""
        super().__init__(
            f"model {model} cannot be loaded: its {wanted} weights are not installed{there}; "
            "import them with `hymo models import`, or leave it out of --models"
        )
        self.model = model
        self.modes = modes


class EncoderError(WorkerError):
    """An installed text encoder cannot be used on this device."""

    exit_code = 2

    def __init__(self, model: str, reason: str, mend: str) -> None:
        super().__init__(
            f"the text encoder of {model} cannot be used: {reason}: {mend}; "
            "or let another worker encode texts, with --text-plan cached"
        )
        self.model = model


class EngineError(WorkerError):
    """The model library cannot load or run a model on this device. A restart does not help."""

    exit_code = 2

    def __init__(self, reason: str) -> None:
        super().__init__(f"this worker cannot run jobs: {reason}")


class EngineLoadError(WorkerError):
    """An engine cannot be loaded now. Its jobs are not to blame."""

    def __init__(self, model: str, mode: str, reason: str) -> None:
        super().__init__(f"{model} {mode} cannot be loaded: {reason}")
        self.model = model
        self.mode = mode


class DeviceFaultError(WorkerError):
    """The device is in a state that only a new process leaves, such as after a CUDA assertion.

    Attributes:
        claims: the jobs that were run together when it happened; any of them may be to blame.
    """

    exit_code = 76

    def __init__(self, reason: str, claims: Sequence[Claim] = ()) -> None:
        super().__init__(f"{DEVICE_FAULT}{reason}")
        self.claims = tuple(claims)


class TextStoreError(WorkerError):
    """The store of encoded texts cannot be read now."""

    def __init__(self, model: str, reason: str) -> None:
        super().__init__(f"the encoded texts of {model} cannot be read: {reason}")
        self.model = model


class NotFiniteError(WorkerError):
    """Decoded motions contain non-finite numbers.

    Attributes:
        indices: their positions in the pack.
    """

    def __init__(self, indices: Sequence[int]) -> None:
        shown = ", ".join(map(str, indices))
        super().__init__(
            f"decoded motions are not finite, jobs {shown} of the pack; sample them again with "
            "lower guidance, or in float32"
        )
        self.indices = tuple(indices)


class SamplingError(WorkerError):
    """Sampling failed in float32 too.

    Attributes:
        indices: positions in the pack of the jobs that failed.
    """

    def __init__(self, story: str, indices: Sequence[int]) -> None:
        super().__init__(f"in float32: {story}")
        self.indices = tuple(indices)


class FeaturesError(WorkerError):
    """The stored features of a motion (see `worker.engine.measures`) are damaged."""

    def __init__(self, damage: str) -> None:
        super().__init__(
            f"a blob in the table motion_features {damage}; delete that row, or leave its motion "
            "out with --since, --until or --batch"
        )
        self.damage = damage


class RevisionError(WorkerError):
    """A model on disk is not the revision that jobs request."""

    def __init__(self, model: str, mode: str, found: str, wanted: str) -> None:
        super().__init__(
            f"model {model} {mode} is revision {found}, but jobs request {wanted}: "
            "reinstall hymo so that the queue and the model have the same version"
        )
        self.model = model


class EmbeddingNotStoredError(WorkerError):
    """An encoded text cannot be stored, and its jobs cannot be sampled without it."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"an encoded text cannot be stored: {reason}; free space there, or set "
            "HYMO_EMBEDDINGS to a folder on another disk"
        )


class PackStoppedError(WorkerError):
    """Sampling was stopped because every job of the pack was cancelled or lost its lease."""


class KeeperError(WorkerError):
    """The thread that renews the leases has died, so the worker must end."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"the thread that renews leases has died: {reason}; this worker ends, its leases "
            "expire and the jobs are tried again"
        )


class LockFileError(WorkerError):
    """The file of a lock cannot be written: the disk of the home is full, or not this user's."""

    exit_code = 7

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(
            f"{path} cannot be written: {error.strerror or error}; free space in that folder, or "
            "give this user write permission there"
        )
        self.path = path


class AlreadyUpError(WorkerError):
    """Another `hymo up` or `hymo run` owns this home."""

    def __init__(self, home: str, pid: str) -> None:
        super().__init__(
            f"process {pid} already uses {home} (`hymo up` or `hymo run`): stop it first, "
            "or give this one another --home"
        )
        self.pid = pid


class WorkersExitedError(WorkerError):
    """No worker could be started."""

    def __init__(self, log: Path) -> None:
        super().__init__(
            f"no worker could be started: see {log}, fix the cause, run the file again"
        )
        self.log = log


class StoppedError(WorkerError):
    """A signal asked this process to stop."""

    exit_code = 130

    def __init__(self) -> None:
        super().__init__("stopped by a signal; start it again to continue")


class StuckError(WorkerError):
    """No worker can run the remaining jobs of a batch."""

    def __init__(self, batch: str, jobs: int, reasons: tuple[str, ...], mend: str) -> None:
        noun = "job" if jobs == 1 else "jobs"
        super().__init__(f"{jobs} {noun} of batch {batch} left: {'; '.join(reasons)}; {mend}")
        self.batch = batch
        self.jobs = jobs
        self.reasons = reasons
