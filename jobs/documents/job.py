"""A job as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from jobs.domain.clock import iso

if TYPE_CHECKING:
    from jobs.monitoring.waiting import Waiting
    from jobs.store.history.jobrow import AttemptRow, JobRow
    from jobs.store.store import Store

PHASES = ("queue", "load", "encode", "sample", "decode", "save")

QUALITY = ("skate_mm", "penetration_mm", "jitter")


def picked(value: object, names: str) -> dict[str, Any]:
    """The attributes of these names, separated by spaces."""
    return {name: getattr(value, name) for name in names.split()}


def document(job: JobRow, reason: str | None) -> dict[str, Any]:
    """A job of `hymo.history/1` (docs/json.md)."""
    return {
        **picked(job, "id batch custom_id prompt original_prompt rewrite mode requested_mode"),
        **picked(job, "frames seed steps guidance priority model revision"),
        "class_gib": job.gib,
        "text_revision": None if job.text is None else job.text.revision,
        **picked(job, "state failure"),
        "reason": reason,
        **picked(job, "worker card attempts"),
        "created_at": iso(job.created_at),
        "started_at": iso(job.started_at),
        "finished_at": iso(job.finished_at),
        "duration": job.duration,
        "timings": dict(job.phases),
        "peak_memory_bytes": job.peak_memory_bytes,
        "quality": asdict(job.quality),
        "cached_from": job.cached_from,
        "artifacts": [asdict(each) for each in job.artifacts],
        "metadata": dict(job.metadata),
    }


def job_document(store: Store, job: JobRow, waiting: Waiting) -> dict[str, Any]:
    """A job of `hymo.show/1`: as in history, with more and its attempts (docs/json.md)."""
    tries = [attempt_document(each) for each in store.history.attempts(job.id)]
    return document(job, waiting.reason(job)) | {"suspect": job.suspect, "tries": tries}


def attempt_document(attempt: AttemptRow) -> dict[str, Any]:
    """An attempt of `hymo.show/1`."""
    return {
        **picked(attempt, "number worker card mode pack_size outcome failure error"),
        "started_at": iso(attempt.started_at),
        "sampling_at": iso(attempt.sampling_at),
        "finished_at": iso(attempt.finished_at),
        "timings": dict(attempt.phases),
        "peak_memory_bytes": attempt.peak_memory_bytes,
        "quality": asdict(attempt.quality),
        "run": asdict(attempt.run),
    }
