"""A job and its attempts in `hymo show`."""

from __future__ import annotations

from collections.abc import Mapping

import click

from jobs.cli.render.tables import Column, print_pairs, print_table, say
from jobs.cli.render.text import (
    clean,
    duration,
    file_size,
    gigabytes,
    jerk,
    local_time,
    millimetres,
    plural,
)
from jobs.documents.job import PHASES
from jobs.domain.attempts import MotionQuality
from jobs.domain.memory import ENCODE
from jobs.domain.states import Outcome, State
from jobs.monitoring.waiting import PAUSED, Waiting
from jobs.store.history.jobrow import AttemptRow, JobRow
from jobs.store.store import Store

#: Lines shown of an error: the message and the innermost calls.
TAIL = 12
#: What is said of a job whose worker died or hung while it held the job.
SUSPECT = "its worker ended while it ran: tried with few others of its kind, at last alone"
#: Text for `jobs.domain.attempts.Run.embedding`.
TEXTS = {"hit": "text was already encoded", "made": "encoded the text"}

COLUMNS = (
    Column("TRY", "right"),
    Column("OUTCOME"),
    Column("WORKER", flexible=True),
    *(Column(phase.upper(), "right") for phase in PHASES),
    Column("PEAK", "right"),
)


def print_job(store: Store, job: JobRow, waiting: Waiting) -> None:
    """Print the job, its files and its attempts."""
    print_pairs(f"job {job.id}", _pairs(job, waiting.reason(job)))
    attempts = store.history.attempts(job.id)
    if attempts:
        click.echo()
        print_table(COLUMNS, [_cells(each) for each in attempts])
        told = {f"attempt {each.number}": how_run(each) for each in attempts}
        if any(told.values()):
            click.echo()
            print_pairs("how each was run", told)
    for attempt in attempts:
        if attempt.error:
            _print_error(attempt)


def _pairs(job: JobRow, reason: str | None) -> Mapping[str, str]:
    asked = "" if job.requested_mode == job.mode else f" (asked for {job.requested_mode})"
    state = job.state.value
    if job.state is State.RUNNING:
        state += f" on {job.worker or 'a worker'}"
        state += ", encoding its text" if job.text is not None else ""
        state += ", asked to stop" if job.cancel_requested else ""
    if job.failure is not None:
        state += f": {job.failure}"
    found = {
        "batch": job.batch,
        "row": f"{job.custom_id}, seed {job.seed}",
        "prompt": job.prompt,
        "row said": job.original_prompt or "",
        "rewrite": job.rewrite or "",
        "state": state,
        "waits": (reason or "").removeprefix(PAUSED),
        "suspect": SUSPECT if job.suspect else "",
        "wants": f"{job.mode}{asked}, {plural(job.frames, 'frame')}, {job.steps} steps, "
        f"guidance {job.guidance:g}, priority {job.priority}",
        "model": f"{job.model} {job.revision}, class {job.gib} GiB",
        "attempts": f"{job.attempts} of {job.attempt_limit}",
        "submitted": local_time(job.created_at),
        "started": local_time(job.started_at),
        "finished": _finished(job),
        "quality": _quality(job.quality),
        "cached": "" if job.cached_from is None else f"same motion as job {job.cached_from}",
    }
    found["metadata"] = ", ".join(f"{key}={value}" for key, value in job.metadata.items())
    for file in job.artifacts:
        found[file.format] = f"{file.path} ({file_size(file.size)})"
    return found


def _quality(quality: MotionQuality) -> str:
    figures = {
        "skate": millimetres(quality.skate_mm),
        "penetration": millimetres(quality.penetration_mm),
        "jitter": jerk(quality.jitter),
    }
    return ", ".join(f"{name} {figure}" for name, figure in figures.items() if figure)


def _finished(job: JobRow) -> str:
    if job.finished_at is None:
        return ""
    took = "" if job.duration is None else f" after {duration(job.duration)}"
    return local_time(job.finished_at) + took


def _cells(attempt: AttemptRow) -> tuple[str, ...]:
    outcome = attempt.outcome.value
    if attempt.failure is not None:
        outcome = attempt.failure.value.replace("_", " ")
    if attempt.mode == ENCODE and attempt.outcome is not Outcome.ENCODED:
        # The attempt was to encode the text, not to sample the motion.
        outcome = f"{ENCODE}: {outcome}"
    return (
        str(attempt.number),
        outcome,
        attempt.worker,
        *(duration(attempt.phases[phase]) for phase in PHASES),
        gigabytes(attempt.peak_memory_bytes),
    )


def how_run(attempt: AttemptRow) -> str:
    """An attempt's number type, source of its text and model loads, as a sentence; empty if
    unknown."""
    run = attempt.run
    kept = f" (text plan {run.plan})" if run.plan else ""
    parts = []
    if attempt.mode == ENCODE:
        if attempt.outcome is Outcome.ENCODED:
            parts.append(f"encoded the text ahead{kept}")
    elif run.embedding is not None:
        parts.append(TEXTS.get(run.embedding, run.embedding) + kept)
    if run.dtype is not None:
        parts.append(f"computed in {run.dtype}" + (f" ({run.path})" if run.path else ""))
    if run.loads:
        parts.append(f"{plural(run.loads, 'model')} loaded")
    if run.numerics_step is not None:
        broke = run.numerics_dtype or "a faster number type"
        parts.append(
            f"{broke} gave non-finite values at step {run.numerics_step}: "
            f"sampled again in {run.dtype}"
        )
    return "; ".join(parts)


def _print_error(attempt: AttemptRow) -> None:
    lines = (attempt.error or "").rstrip().splitlines()
    click.echo(f"\nattempt {attempt.number} on {clean(attempt.worker)} ({clean(attempt.card)}):")
    if len(lines) > TAIL:
        say(f"  {lines[0]}")
        click.echo(f"  … {plural(len(lines) - TAIL, 'line')} more with --json")
        lines = lines[-(TAIL - 1) :]
    for line in lines:
        say(f"  {line}")
