"""Frozen rows and requests that pass between the store and everyone else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from jobs.distance import Features
from jobs.routing import Demand, Offer
from jobs.spec import JobSpec
from jobs.states import Failure, State


@dataclass(frozen=True)
class Batch:
    """What one submit creates. `output` is the root folder its files go under."""

    id: int
    name: str
    source: str
    output: str
    paused: bool
    created_at: float
    manifest_at: float | None


@dataclass(frozen=True)
class Artifact:
    """One file of a job: absolute path, size in bytes, sha256 in hex."""

    format: str
    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class NewJob:
    """A job ready to be inserted: the spec with everything decided at submit.

    Attributes:
        mode: full or lite, `auto` resolved.
        revision: of the model's weights in that mode.
        gib: the class.
        cached_from, artifacts: set when the content already succeeded and its files verify; the
            row is then inserted as succeeded. The artifacts are its own: see `jobs.cache`.
    """

    spec: JobSpec
    mode: str
    revision: str
    gib: int
    cached_from: int | None = None
    artifacts: tuple[Artifact, ...] = ()


@dataclass(frozen=True)
class Inserted:
    """What inserting a chunk did.

    Attributes:
        new: (job id, queue) of rows added as queued.
        cached: how many were added as succeeded, with the files of earlier jobs.
        existing: how many were there already with the same content.
        changed: (custom id, seed) of rows that are there with other content; left untouched.
    """

    new: tuple[tuple[int, str], ...]
    cached: int
    existing: int
    changed: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class WorkerCard:
    """What a worker registers: who it is and what it can do.

    `tags` are free capability tags beyond the offer (bandwidth class, PCIe, NUMA node, …).
    """

    offer: Offer
    host: str
    pid: int | None
    device: str
    card: str
    dtype: str
    nvlink: bool
    queues: tuple[str, ...]
    tags: Mapping[str, str | int | float | bool] = field(default_factory=dict)


@dataclass(frozen=True)
class WorkerRow:
    """A worker as stored. `state`: declared, live, draining or stopped; `alive`: seen lately."""

    id: int
    state: str
    alive: bool
    registration: WorkerCard
    started_at: float
    seen_at: float
    stopped_at: float | None
    running: int


@dataclass(frozen=True)
class Claim:
    """A job that a worker holds under a lease: all it needs to do the work.

    Attributes:
        attempt: the fence: every later write names it.
        queue_s: seconds the job waited since it became claimable.
    """

    job_id: int
    attempt: int
    worker_id: int
    batch: str
    output: str
    custom_id: str
    prompt: str
    frames: int
    seed: int
    mode: str
    steps: int
    guidance: float
    formats: tuple[str, ...]
    model: str
    revision: str
    gib: int
    queue_s: float

    @property
    def demand(self) -> Demand:
        """What the job asks of a worker that samples it."""
        return Demand(
            model=self.model,
            mode=self.mode,
            gib=self.gib,
            frames=self.frames,
            revision=self.revision,
        )


@dataclass(frozen=True)
class Timings:
    """Seconds of each phase of one attempt; a pack's shared phases are counted per motion."""

    load: float = 0.0
    encode: float = 0.0
    sample: float = 0.0
    decode: float = 0.0
    save: float = 0.0


@dataclass(frozen=True)
class Run:
    """How one attempt was run, beside what it took. None: unknown, or of no consequence.

    Attributes:
        dtype: what the network was computed in, such as `bfloat16`.
        plan: where the text encoder was kept meanwhile: see `worker.textplan`.
        embedding: `hit` where the text was found encoded, `made` where it was encoded for it.
        loads: how many models were loaded for it.
        numerics_step: the solver step at which a faster type left the finite numbers, before the
            motion was sampled again in `dtype`.
        numerics_dtype: that type.
    """

    dtype: str | None = None
    plan: str | None = None
    embedding: str | None = None
    loads: int | None = None
    numerics_step: int | None = None
    numerics_dtype: str | None = None


@dataclass(frozen=True)
class Quality:
    """What one motion is like; docs/measures.md says how it is measured. None: not measured.

    Attributes:
        skate_mm: how far feet slip while they are in contact, mm per 1/30 s; None also where no
            foot ever touches the ground.
        penetration_mm: how far the body is below the ground, mm, the mean over frames.
        jitter: mean jerk of the joints, m/s³.
    """

    skate_mm: float | None = None
    penetration_mm: float | None = None
    jitter: float | None = None


@dataclass(frozen=True)
class Success:
    """A finished job: its timings, peak device memory (bytes), files, and what its motion is like.

    `features` is None where no distance to real motions is taken.
    """

    claim: Claim
    timings: Timings
    peak_memory_bytes: int | None
    artifacts: tuple[Artifact, ...]
    quality: Quality = field(default_factory=Quality)
    features: Features | None = None
    run: Run = field(default_factory=Run)


@dataclass(frozen=True)
class Failed:
    """A failed attempt.

    Attributes:
        error: the message and the tail of the traceback.
        timings: None where the attempt ended before they were measured.
        retry: whether a further attempt could help.
        gib: a larger class to queue the retry in, when memory was the cause; else None.
    """

    claim: Claim
    failure: Failure
    error: str
    timings: Timings | None = None
    peak_memory_bytes: int | None = None
    retry: bool = True
    gib: int | None = None
    run: Run = field(default_factory=Run)


@dataclass(frozen=True)
class Renewal:
    """What renewing leases found: `lost` are no longer ours, `cancelled` are asked to stop."""

    lost: frozenset[int]
    cancelled: frozenset[int]


@dataclass(frozen=True)
class Expired:
    """A lease that ran out and what became of the job."""

    job_id: int
    worker_name: str
    attempt: int
    state: State


@dataclass(frozen=True)
class Cancelled:
    """What a request to cancel did.

    Attributes:
        stopped: queued jobs, cancelled at once.
        asked: running jobs; their workers see the request within a step or a lease renewal.
        finished: jobs that had ended before; left as they are.
    """

    stopped: int
    asked: int
    finished: int


@dataclass(frozen=True)
class ManifestRow:
    """A finished job as its batch's manifest tells it.

    Attributes:
        original_prompt: what its row said, where a rewriter's prompt was sampled instead.
        rewrite: what came of asking one: see `jobs.spec.Origin`.
    """

    id: int
    custom_id: str
    prompt: str
    mode: str
    frames: int
    seed: int
    state: State
    failure: Failure | None
    cached_from: int | None
    metadata: Mapping[str, str]
    artifacts: tuple[Artifact, ...]
    original_prompt: str | None = None
    rewrite: str | None = None
