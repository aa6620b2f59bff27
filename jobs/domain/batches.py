"""Batches and their jobs, as values that the store takes and returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jobs.domain.spec import JobSpec
from jobs.domain.states import Failure, State


@dataclass(frozen=True)
class Batch:
    """The jobs of one submit. `output` is the folder that contains the batch's own folder.

    `token` is the content of the mark in that folder (`jobs.artifacts.folder`); empty: nobody has
    laid one; None: the folder is not checked.
    """

    id: int
    name: str
    source: str
    output: str
    paused: bool
    created_at: float
    manifest_at: float | None
    token: str | None = None

    @property
    def folder(self) -> Path:
        """The batch's own folder."""
        return Path(self.output) / self.name


@dataclass(frozen=True)
class Artifact:
    """One file of a job: absolute path, size in bytes, sha256 in hex."""

    format: str
    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class NewJob:
    """A job ready to be inserted: the spec and all that the submit decided.

    Attributes:
        mode: full or lite; `auto` is already resolved.
        revision: revision of the model's weights in that mode.
        gib: the job's memory class, GiB.
        cached_from, artifacts: set if an earlier job with the same content succeeded and its files
            verify; the row is then inserted as succeeded. The artifacts are the new job's copies
            (`jobs.artifacts.reuse`).
    """

    spec: JobSpec
    mode: str
    revision: str
    gib: int
    cached_from: int | None = None
    artifacts: tuple[Artifact, ...] = ()


@dataclass(frozen=True)
class Inserted:
    """The result of inserting a chunk of jobs.

    Attributes:
        new: (job id, queue) of rows inserted as queued.
        cached: number of rows inserted as succeeded, with copies of earlier jobs' files.
        existing: number of jobs that already existed with the same content.
        changed: (custom id, seed) of jobs that already existed with different content; their rows
            are left unchanged.
    """

    new: tuple[tuple[int, str], ...]
    cached: int
    existing: int
    changed: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Cancelled:
    """Numbers of jobs affected by a request to cancel.

    Attributes:
        stopped: queued jobs, cancelled at once.
        asked: running jobs; their workers see the request at the next step or lease renewal.
        finished: jobs that had already ended; left unchanged.
    """

    stopped: int
    asked: int
    finished: int


@dataclass(frozen=True)
class ManifestRow:
    """A finished job as listed in its batch's manifest.

    Attributes:
        original_prompt: the row's own prompt, if a rewritten prompt was sampled instead.
        rewrite: the outcome of rewriting; see `jobs.domain.spec.Origin`.
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
