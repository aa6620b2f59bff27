"""Attempts: what a claim gives a worker, and what comes back of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from jobs.domain.batches import Artifact
from jobs.domain.routing import Demand
from jobs.domain.states import Failure, State


@dataclass(frozen=True)
class Features:
    """What a distance to real motions needs to know of one motion, packed by who measured it.

    Attributes:
        reference: revision of the statistics of real motions in whose terms it is told.
        windows: how many windows of the motion it sums up.
        blob: the sums; only who packed them reads them.
    """

    reference: str
    windows: int
    blob: bytes


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
        plan: where the text encoder was kept meanwhile: see `worker.planning.encoder_placement`.
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
