"""A job as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from jobs.domain.clock import iso

if TYPE_CHECKING:
    from jobs.domain.batches import Artifact
    from jobs.monitoring.waiting import Waiting
    from jobs.store.history.jobrow import AttemptRow, JobRow
    from jobs.store.store import Store

PHASES = ("queue", "load", "encode", "sample", "decode", "save")

QUALITY = ("skate_mm", "penetration_mm", "jitter")


def document(job: JobRow, reason: str | None) -> dict[str, Any]:
    """A job of `hymo.history/1` (docs/json.md)."""
    return {
        "id": job.id,
        "batch": job.batch,
        "custom_id": job.custom_id,
        "prompt": job.prompt,
        "original_prompt": job.original_prompt,
        "rewrite": job.rewrite,
        "mode": job.mode,
        "requested_mode": job.requested_mode,
        "frames": job.frames,
        "seed": job.seed,
        "steps": job.steps,
        "guidance": job.guidance,
        "priority": job.priority,
        "model": job.model,
        "revision": job.revision,
        "class_gib": job.gib,
        "text_revision": None if job.text is None else job.text.revision,
        "state": job.state.value,
        "failure": None if job.failure is None else job.failure.value,
        "reason": reason,
        "worker": job.worker,
        "card": job.card,
        "attempts": job.attempts,
        "created_at": iso(job.created_at),
        "started_at": iso(job.started_at),
        "finished_at": iso(job.finished_at),
        "duration": job.duration,
        "timings": dict(job.phases),
        "peak_memory_bytes": job.peak_memory_bytes,
        "quality": asdict(job.quality),
        "cached_from": job.cached_from,
        "artifacts": [artifact(each) for each in job.artifacts],
        "metadata": dict(job.metadata),
    }


def artifact(file: Artifact) -> dict[str, object]:
    """A file of `hymo.history/1`."""
    return {"format": file.format, "path": file.path, "size": file.size, "sha256": file.sha256}


def job_document(store: Store, job: JobRow, waiting: Waiting) -> dict[str, Any]:
    """A job of `hymo.show/1`: as in history, with its attempts (docs/json.md)."""
    tries = [attempt_document(each) for each in store.history.attempts(job.id)]
    return document(job, waiting.reason(job)) | {"tries": tries}


def attempt_document(attempt: AttemptRow) -> dict[str, Any]:
    """An attempt of `hymo.show/1`."""
    return {
        "number": attempt.number,
        "worker": attempt.worker,
        "card": attempt.card,
        "mode": attempt.mode,
        "pack_size": attempt.pack_size,
        "outcome": attempt.outcome.value,
        "failure": None if attempt.failure is None else attempt.failure.value,
        "error": attempt.error,
        "started_at": iso(attempt.started_at),
        "finished_at": iso(attempt.finished_at),
        "timings": dict(attempt.phases),
        "peak_memory_bytes": attempt.peak_memory_bytes,
        "quality": asdict(attempt.quality),
        "run": asdict(attempt.run),
    }
