"""The audit: what must be true of a database and its files after any fault, once work is over."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text

from jobs.artifacts.folder import MARK
from jobs.artifacts.manifest import NAME
from jobs.domain.states import FINAL, Failure, Outcome, State
from jobs.settings import Settings


def audit(engine: Engine, settings: Settings, *, jobs: int) -> None:
    """Raise AssertionError listing whatever is wrong.

    No job lost, none with two committed results, none stuck, and the attempts tell the story.

    Args:
        engine: of the database.
        settings: name the output folder and how often a job may be tried.
        jobs: how many there should be.
    """
    with engine.connect() as connection:
        found = connection.execute(text("SELECT * FROM jobs ORDER BY id")).all()
        tries: dict[int, list[Any]] = defaultdict(list)
        for row in connection.execute(text("SELECT * FROM attempts ORDER BY job_id, number")):
            tries[row.job_id].append(row)
        files: dict[int, list[Any]] = defaultdict(list)
        for row in connection.execute(text("SELECT * FROM artifacts ORDER BY job_id, format")):
            files[row.job_id].append(row)
        batches = dict(connection.execute(text("SELECT id, name FROM batches")).all())  # type: ignore[arg-type]
        pids = dict(connection.execute(text("SELECT id, pid FROM workers")).all())  # type: ignore[arg-type]
    wrong = [] if len(found) == jobs else [f"{len(found)} jobs instead of {jobs}"]
    for job in found:
        told = "; ".join(
            f"{a.number}: {a.outcome}/{a.failure} by {a.worker_name} pid {pids[a.worker_id]}"
            for a in tries[job.id]
        )
        problems = _job(job, tries[job.id]) + _files(job, files[job.id])
        wrong += [f"{job.custom_id} ({job.state}, {told}): {problem}" for problem in problems]
    wrong += _folder(settings.output, files)
    wrong += _manifests(settings.output, batches, found)
    assert not wrong, "\n".join(wrong[:20])


def _job(job: Any, tries: Sequence[Any]) -> list[str]:
    """What is wrong with a job's row and its attempts."""
    wrong = []
    if job.state not in FINAL:
        wrong.append("is not over")
    if job.lease_until is not None:
        wrong.append("still has a lease")
    if job.finished_at is None:
        wrong.append("has no end")
    if job.cancel_requested:
        wrong.append("is still asked to cancel")
    if [one.number for one in tries] != list(range(1, job.attempt + 1)):
        wrong.append(f"attempts {[one.number for one in tries]}, the job says {job.attempt}")
    if job.attempt > job.attempt_limit:
        wrong.append(f"tried {job.attempt} times of {job.attempt_limit}")
    return wrong + _outcomes(job, tries) + _times(tries)


def _outcomes(job: Any, tries: Sequence[Any]) -> list[str]:
    wins = [one.number for one in tries if one.outcome == Outcome.SUCCEEDED]
    wanted = [len(tries)] if job.state == State.SUCCEEDED else []
    wrong = [] if wins == wanted else [f"succeeded attempts {wins}, expected {wanted}"]
    for one in tries:
        if one.outcome == Outcome.RUNNING:
            wrong.append(f"attempt {one.number} never ended")
        if one.outcome == Outcome.FAILED and not (one.error and one.failure in set(Failure)):
            wrong.append(f"attempt {one.number} does not say why it failed")
        told = one.failure or (one.error and one.outcome != Outcome.RELEASED)
        if one.outcome != Outcome.FAILED and told:
            wrong.append(f"attempt {one.number} {one.outcome} with failure {one.failure}")
    if job.state == State.FAILED:
        last = tries[-1] if tries else None
        if last is None or (last.failure, last.error) != (job.failure, job.error):
            wrong.append("its failure is not its last attempt's")
    elif job.failure or job.error:
        wrong.append(f"shows the failure {job.failure}")
    return wrong


def _times(tries: Sequence[Any]) -> list[str]:
    wrong = []
    before = 0.0
    for one in tries:
        if one.finished_at is None:
            continue
        if one.started_at < before:
            wrong.append(f"attempt {one.number} began before the one before it ended")
        if one.finished_at < one.started_at:
            wrong.append(f"attempt {one.number} ended before it began")
        before = one.finished_at
    return wrong


def _files(job: Any, files: Sequence[Any]) -> list[str]:
    """What is wrong with a job's files."""
    wrong = []
    # Plain SQL gives text on SQLite, the list itself on PostgreSQL.
    asked = json.loads(job.formats) if isinstance(job.formats, str) else job.formats
    # The null model writes none.
    formats = [] if job.model == "null" or job.state != State.SUCCEEDED else sorted(asked)
    if [file.format for file in files] != formats:
        wrong.append(f"has files {[file.format for file in files]}, expected {formats}")
    for file in files:
        path = Path(file.path)
        if not path.is_file():
            wrong.append(f"{path.name} is not there")
            continue
        data = path.read_bytes()
        if (len(data), hashlib.sha256(data).hexdigest()) != (file.size, file.sha256):
            wrong.append(f"{path.name} is not what its row says")
    return wrong


def _folder(output: Path, files: Mapping[int, Sequence[Any]]) -> list[str]:
    """Files that no row knows: half-written ones, or results that were refused."""
    known = {Path(file.path) for some in files.values() for file in some}
    ours = {NAME, MARK}
    there = {path for path in output.rglob("*") if path.is_file() and path.name not in ours}
    return [f"{path} belongs to nobody" for path in sorted(there - known)]


def _manifests(output: Path, batches: Mapping[int, str], jobs: Sequence[Any]) -> list[str]:
    """The last worker that ended has written every manifest, from the rows as they are now."""
    wrong = []
    wanted: dict[str, dict[int, str]] = defaultdict(dict)
    for job in jobs:
        wanted[batches[job.batch_id]][job.id] = job.state
    for name, states in wanted.items():
        path = output / name / NAME
        lines = path.read_text("utf-8").splitlines() if path.is_file() else []
        told = [(line["job"], line["state"]) for line in map(json.loads, lines)]
        if sorted(told) != sorted(states.items()):
            wrong.append(f"{path} tells of {len(told)} jobs, and not what the rows say")
    return wrong
