"""Attempts: the claim that a worker receives, and the result that it reports."""

from __future__ import annotations

from dataclasses import dataclass, field

from jobs.domain.batches import Artifact
from jobs.domain.routing import Demand
from jobs.domain.states import Failure, State


@dataclass(frozen=True)
class Features:
    """Feature sums of one motion, from which its distance to real motions is computed.

    Attributes:
        reference: revision of the reference statistics that the features were computed with.
        windows: number of windows of the motion that are summed.
        blob: the sums, in the format of `worker.engine.measures`.
    """

    reference: str
    windows: int
    blob: bytes


@dataclass(frozen=True)
class Claim:
    """A job that a worker holds under a lease.

    Attributes:
        attempt: the fencing token; every later write for the job carries it.
        queue_s: seconds the job waited since it became claimable.
        token: the content of the mark in the batch's folder; None: the folder is not checked.
        suspect: whether an earlier worker died or hung while it held the job.
        returns: how often in a row the job was given back without counting an attempt.
    """

    job_id: int
    attempt: int
    worker_id: int
    batch_id: int
    batch: str
    output: str
    custom_id: str
    prompt: str
    frames: int
    seed: int
    mode: str
    steps: int
    guidance: float
    priority: int
    formats: tuple[str, ...]
    model: str
    revision: str
    gib: int
    queue_s: float
    token: str | None = None
    suspect: bool = False
    returns: int = 0

    @property
    def demand(self) -> Demand:
        """The requirements for sampling the job."""
        return Demand(
            model=self.model,
            mode=self.mode,
            gib=self.gib,
            frames=self.frames,
            revision=self.revision,
        )


@dataclass(frozen=True)
class Timings:
    """Seconds of each phase of one attempt; time that a pack shares is divided by its motions."""

    load: float = 0.0
    encode: float = 0.0
    sample: float = 0.0
    decode: float = 0.0
    save: float = 0.0


@dataclass(frozen=True)
class Run:
    """How one attempt was run. None: unknown or not applicable.

    Attributes:
        dtype: the number type the network was computed in, such as `bfloat16`.
        plan: where the text encoder was kept; see `worker.planning.encoder_placement`.
        embedding: `hit` if the text was already encoded, `made` if this attempt encoded it.
        loads: number of models loaded for the attempt.
        numerics_step: the solver step at which `numerics_dtype` produced a NaN or an infinity,
            after which the motion was sampled again in `dtype`.
        numerics_dtype: the faster number type that was tried first.
        path: how the network was run: `eager` or `fused`.
    """

    dtype: str | None = None
    plan: str | None = None
    embedding: str | None = None
    loads: int | None = None
    numerics_step: int | None = None
    numerics_dtype: str | None = None
    path: str | None = None


@dataclass(frozen=True)
class MotionQuality:
    """Quality measures of one motion, defined in docs/measures.md. None: not measured.

    Attributes:
        skate_mm: how far feet slip while in contact with the ground, mm per 1/30 s; also None if
            no foot touches the ground.
        penetration_mm: how far the body is below the ground, mm, mean over frames.
        jitter: mean jerk of the joints, m/s³.
    """

    skate_mm: float | None = None
    penetration_mm: float | None = None
    jitter: float | None = None


@dataclass(frozen=True)
class Success:
    """A successful attempt.

    `features` is None where distances to real motions are not measured.
    """

    claim: Claim
    timings: Timings
    peak_memory_bytes: int | None
    artifacts: tuple[Artifact, ...]
    quality: MotionQuality = field(default_factory=MotionQuality)
    features: Features | None = None
    run: Run = field(default_factory=Run)


@dataclass(frozen=True)
class Failed:
    """A failed attempt.

    Attributes:
        error: the message and the tail of the traceback.
        timings: None if the attempt ended before they were measured.
        retry: whether another attempt could succeed.
        gib: the larger class to queue the retry in if the attempt ran out of memory; else None.
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
    """Ids of jobs whose lease was lost, and of jobs that a user asked to cancel."""

    lost: frozenset[int]
    cancelled: frozenset[int]


@dataclass(frozen=True)
class Expired:
    """A lease that expired, and the state that its job went to."""

    job_id: int
    worker_name: str
    attempt: int
    state: State
