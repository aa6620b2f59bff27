"""Batches and their jobs, as values that pass between the store and everyone else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jobs.domain.spec import JobSpec
from jobs.domain.states import Failure, State


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
            row is then inserted as succeeded. The artifacts are its own: see
            `jobs.artifacts.reuse`.
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
        rewrite: what came of asking one: see `jobs.domain.spec.Origin`.
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
