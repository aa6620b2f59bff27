"""A job's fields in JSON, CSV and tables."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from jobs.cli.render.tables import Column
from jobs.cli.render.text import duration, gigabytes, jerk, local_time, millimetres
from jobs.documents.job import PHASES, QUALITY

if TYPE_CHECKING:
    from jobs.store.history.jobrow import JobRow

METADATA = "metadata."

#: Field → its column, in the order of a CSV with all fields.
COLUMNS: Mapping[str, Column] = {
    "id": Column("ID", "right"),
    "batch": Column("BATCH", flexible=True, least=6),
    "custom_id": Column("ROW", flexible=True, least=6),
    "prompt": Column("PROMPT", flexible=True, least=16),
    "original_prompt": Column("ORIGINAL PROMPT", flexible=True, least=16),
    "rewrite": Column("REWRITE", flexible=True),
    "mode": Column("MODE"),
    "requested_mode": Column("ASKED"),
    "frames": Column("FRAMES", "right"),
    "seed": Column("SEED", "right"),
    "steps": Column("STEPS", "right"),
    "guidance": Column("GUIDANCE", "right"),
    "priority": Column("PRIORITY", "right"),
    "model": Column("MODEL"),
    "revision": Column("REVISION"),
    "class_gib": Column("CLASS", "right"),
    "text_revision": Column("WAITS FOR TEXT OF"),
    "state": Column("STATE"),
    "failure": Column("FAILURE"),
    "reason": Column("REASON", flexible=True),
    "worker": Column("WORKER", flexible=True),
    "card": Column("CARD", flexible=True, least=6),
    "attempts": Column("TRIES", "right"),
    "created_at": Column("SUBMITTED"),
    "started_at": Column("STARTED"),
    "finished_at": Column("FINISHED"),
    "duration": Column("TIME", "right"),
    **{phase: Column(phase.upper(), "right") for phase in PHASES},
    "peak_memory_bytes": Column("PEAK", "right"),
    "skate_mm": Column("SKATE", "right"),
    "penetration_mm": Column("PENETRATION", "right"),
    "jitter": Column("JITTER", "right"),
    "cached_from": Column("CACHED FROM", "right"),
    "artifacts": Column("FILES", flexible=True),
    "metadata": Column("METADATA", flexible=True),
}

#: Other names that `--fields` accepts.
ALIASES = {
    "created": "created_at",
    "started": "started_at",
    "finished": "finished_at",
    "peak": "peak_memory_bytes",
    "skate": "skate_mm",
    "penetration": "penetration_mm",
    "row": "custom_id",
    "files": "artifacts",
}

#: Field → the key of a job's document that contains it.
NESTED = {**dict.fromkeys(PHASES, "timings"), **dict.fromkeys(QUALITY, "quality")}

_TEXT: Mapping[str, Callable[[Any], str]] = {
    "duration": duration,
    **dict.fromkeys(PHASES, duration),
    "peak_memory_bytes": gigabytes,
    "skate_mm": millimetres,
    "penetration_mm": millimetres,
    "jitter": jerk,
}


def parse_fields(text: str | None) -> tuple[str, ...] | None:
    """The fields given with `--fields`; None if not given. Raises `click.BadParameter`."""
    if text is None:
        return None
    fields = []
    for word in filter(None, (part.strip() for part in text.split(","))):
        field = ALIASES.get(word, word)
        if field not in COLUMNS and not field.startswith(METADATA):
            raise click.BadParameter(
                f"{word!r} is not a field: use {', '.join(COLUMNS)} or metadata.NAME",
                param_hint="--fields",
            )
        fields.append(field)
    if not fields:
        raise click.BadParameter("name at least one field", param_hint="--fields")
    return tuple(fields)


def narrowed(whole: Mapping[str, Any], fields: Sequence[str] | None) -> dict[str, Any]:
    """A job's document reduced to these fields, with the same nesting."""
    if fields is None:
        return dict(whole)
    kept: dict[str, Any] = {}
    for field in fields:
        if field in NESTED:
            inner = NESTED[field]
            kept.setdefault(inner, {})[field] = whole[inner][field]
        elif field.startswith(METADATA):
            key = field.removeprefix(METADATA)
            kept.setdefault("metadata", {})[key] = whole["metadata"].get(key)
        else:
            kept[field] = whole[field]
    return kept


def column(field: str) -> Column:
    """The table column of a field."""
    if field.startswith(METADATA):
        return Column(field.removeprefix(METADATA), flexible=True)
    return COLUMNS[field]


def csv_cell(whole: Mapping[str, Any], field: str) -> object:
    """A field of a job's document as a CSV cell: files as paths, metadata as JSON."""
    if field == "artifacts":
        return ";".join(file["path"] for file in whole["artifacts"])
    if field == "metadata":
        return json.dumps(whole["metadata"], ensure_ascii=False) if whole["metadata"] else ""
    return _value(whole, field)


def table_cell(job: JobRow, whole: Mapping[str, Any], field: str) -> str:
    """A field of a job as a table cell."""
    if field in {"created_at", "started_at", "finished_at"}:
        return local_time(getattr(job, field))
    if field == "card":
        # In a narrow column, leave room for the part of the name that differs between cards.
        return (job.card or "").removeprefix("NVIDIA ")
    if field == "artifacts":
        return " ".join(file.path for file in job.artifacts)
    if field == "metadata":
        return ", ".join(f"{key}={value}" for key, value in job.metadata.items())
    value = _value(whole, field)
    return _TEXT.get(field, str)(value) if value is not None else ""


def _value(whole: Mapping[str, Any], field: str) -> Any:
    if field in NESTED:
        return whole[NESTED[field]][field]
    if field.startswith(METADATA):
        return whole["metadata"].get(field.removeprefix(METADATA))
    return whole[field]
