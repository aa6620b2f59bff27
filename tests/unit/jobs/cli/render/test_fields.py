"""Every field that `--fields` accepts is in tables, CSV and JSON."""

from __future__ import annotations

from dataclasses import replace

import click
import pytest

from jobs.cli.render.fields import COLUMNS, column, csv_cell, narrowed, parse_fields, table_cell
from jobs.documents.job import document
from jobs.domain.attempts import MotionQuality
from jobs.domain.batches import Artifact
from jobs.domain.states import Failure, State
from jobs.store.history.jobrow import JobRow

JOB = JobRow(
    id=7, batch="night", custom_id="a", prompt="步行", mode="lite", requested_mode="auto",
    frames=100, seed=3, steps=50, guidance=5.0, priority=0, formats=("npz",), model="null",
    revision="null-1", gib=24, state=State.FAILED, failure=Failure.LOST, attempts=2,
    attempt_limit=3, worker="w", card="A10", created_at=0.0, queued_at=0.0, not_before=0.0,
    started_at=10.0, finished_at=12.5, cancel_requested=False, paused=False,
    output="/out",
    suspect=False,
    returns=0, cached_from=None,
    phases={"queue": 1.5, "load": None, "encode": 0.0, "sample": 2.0, "decode": 0.1, "save": 0.2},
    peak_memory_bytes=2 * 10**9, quality=MotionQuality(57.42, None, 1623.2),
    metadata={"actor": "x", "take": "2"},
    artifacts=(Artifact("bvh", "/o/a.bvh", 1, "0"), Artifact("npz", "/o/a.npz", 2, "1")),
)  # fmt: skip

#: The keys that programs rely on: keys may be added, but none of these may be removed.
PROMISED = {
    "id", "batch", "custom_id", "prompt", "mode", "frames", "seed", "state", "failure", "worker",
    "card", "attempts", "created_at", "finished_at", "timings", "peak_memory_bytes", "artifacts",
    "metadata",
}  # fmt: skip


def test_the_document_keeps_its_promise() -> None:
    whole = document(JOB, "because")
    assert set(whole) >= PROMISED
    assert list(whole["timings"]) == ["queue", "load", "encode", "sample", "decode", "save"]
    assert (whole["created_at"], whole["finished_at"]) == (
        "1970-01-01T00:00:00.000Z", "1970-01-01T00:00:12.500Z",
    )  # fmt: skip
    assert (whole["duration"], whole["reason"], whole["failure"]) == (2.5, "because", "lost")
    assert whole["artifacts"][1] == {"format": "npz", "path": "/o/a.npz", "size": 2, "sha256": "1"}


def test_every_field_has_every_form() -> None:
    whole = document(JOB, None)
    inner = {"timings", "quality"}
    assert set(whole) - inner | {name for key in inner for name in whole[key]} == set(COLUMNS)
    for field in (*COLUMNS, "metadata.actor", "metadata.none"):
        assert isinstance(table_cell(JOB, whole, field), str)
        csv_cell(whole, field)
        assert column(field).title
        assert narrowed(whole, [field])


def test_cells() -> None:
    whole = document(JOB, None)
    fields = (
        "duration", "queue", "load", "peak_memory_bytes", "artifacts", "metadata.take", "skate_mm",
        "penetration_mm", "jitter",
    )  # fmt: skip
    assert [table_cell(JOB, whole, field) for field in fields] == [
        "2.50 s", "1.50 s", "", "2.0 GB", "/o/a.bvh /o/a.npz", "2", "57.4 mm", "", "1623 m/s³",
    ]  # fmt: skip
    assert [csv_cell(whole, field) for field in fields] == [
        2.5, 1.5, None, 2 * 10**9, "/o/a.bvh;/o/a.npz", "2", 57.42, None, 1623.2,
    ]  # fmt: skip
    assert csv_cell(whole, "metadata") == '{"actor": "x", "take": "2"}'
    assert csv_cell(document(replace(JOB, metadata={}), None), "metadata") == ""


def test_narrowed_keeps_the_shape() -> None:
    whole = document(JOB, None)
    assert narrowed(whole, ["id", "sample", "metadata.actor", "save", "skate_mm"]) == {
        "id": 7, "timings": {"sample": 2.0, "save": 0.2}, "metadata": {"actor": "x"},
        "quality": {"skate_mm": 57.42},
    }  # fmt: skip
    assert narrowed(whole, None) == whole


def test_fields_as_typed() -> None:
    assert parse_fields(None) is None
    assert parse_fields("id, created ,peak,metadata.a b,") == (
        "id", "created_at", "peak_memory_bytes", "metadata.a b",
    )  # fmt: skip
    assert parse_fields("skate,penetration,jitter") == ("skate_mm", "penetration_mm", "jitter")
    for text in ("", ",", "id,nothing", "timings", "quality"):
        with pytest.raises(click.BadParameter):
            parse_fields(text)
