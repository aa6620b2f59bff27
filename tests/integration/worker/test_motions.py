"""From a CSV row to a motion file and its measures in SQL, with a real worker."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from tests.faults.plant import Plant

ROWS = [
    {"id": "walk", "prompt": "a person walks", "frames": "20", "seed": "1", "mode": "full"},
    {"id": "wave", "prompt": "a person waves", "frames": "33", "seed": "2", "mode": "lite"},
    {"id": "sit", "prompt": "人がすわる", "frames": "24", "seed": "3", "mode": "full"},
    {"id": "hop", "prompt": "hop; rm -rf $HOME '\"%", "frames": "20", "seed": "4", "mode": "lite"},
]
PHASES = ("queue_s", "load_s", "encode_s", "sample_s", "decode_s", "save_s")


def prompt_file(plant: Plant) -> Path:
    path = plant.home / "night.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(ROWS[0]))
        writer.writeheader()
        writer.writerows(ROWS)
    return path


@pytest.mark.slow
def test_prompts_become_files_and_figures(either: Plant) -> None:
    plant = either
    submit = plant.start(
        "submit", "submit", str(prompt_file(plant)), "--steps", "2", "--formats", "npz,bvh"
    )
    assert submit.ended() == 0, submit.said
    plant.start(
        "worker", "worker", "--device", "cpu", "--name", "left", "--memory", "8", "--threads", "1",
        "--models", "tiny",
    )  # fmt: skip
    plant.finish(4)
    check_files(plant)
    check_figures(plant)
    check_manifest(plant)


def check_files(plant: Plant) -> None:
    """Every file exists, matches its SQL row, and can be read."""
    rows = plant.rows(
        "SELECT j.custom_id, j.seed, j.frames, a.format, a.path, a.size, a.sha256"
        " FROM artifacts a JOIN jobs j ON j.id = a.job_id"
    )
    assert len(rows) == 8
    for row in rows:
        path = Path(row.path)
        name = f"{row.custom_id}_s{row.seed}.{row.format}"
        assert path == plant.settings.output / "night" / name
        content = path.read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (row.size, row.sha256)
        if row.format == "npz":
            with np.load(path) as motion:
                assert motion["poses"].shape[0] == motion["trans"].shape[0] == row.frames
                assert all(np.isfinite(motion["poses"]).ravel())
        else:
            text = content.decode()
            assert text.startswith("HIERARCHY")
            assert f"Frames: {row.frames}" in text


def check_figures(plant: Plant) -> None:
    """Jobs and attempts have every phase and the peak."""
    jobs = plant.rows("SELECT * FROM jobs")
    tries = plant.rows("SELECT * FROM attempts")
    assert len(jobs) == len(tries) == 4
    for row in (*jobs, *tries):
        figures = row._mapping
        assert all(figures[phase] >= 0 for phase in PHASES)
        assert figures["sample_s"] > 0
        assert figures["encode_s"] > 0
        assert figures["peak_memory_bytes"] > 50 * 2**20
        assert figures["jitter"] > 0
        assert figures["penetration_mm"] >= 0
        assert figures["skate_mm"] is None or figures["skate_mm"] >= 0
        assert (row.worker_name, row.card) == ("left", "CPU")
    assert {row.mode for row in tries} == {"full", "lite"}
    assert sum(row.load_s for row in jobs) > 0
    kept = plant.rows("SELECT * FROM motion_features")
    frames = {row.id: row.frames for row in jobs}
    # Windows of 20 frames, every 10, and one at the end.
    assert {row.job_id: row.windows for row in kept} == {
        job: 1 + -(-(number - 20) // 10) for job, number in frames.items()
    }
    assert {len(row.blob) for row in kept} == {2376}
    of_job = {row.id: row.jitter for row in jobs}
    assert {row.job_id: row.jitter for row in tries} == of_job
    assert len(set(of_job.values())) == 4, "each motion has its own"
    assert all(row.finished_at >= row.started_at >= row.created_at for row in jobs)


def check_manifest(plant: Plant) -> None:
    """The batch's manifest has the same jobs and files."""
    folder = plant.settings.output / "night"
    text = (folder / "manifest.jsonl").read_text("utf-8")
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["id"] for line in lines] == [row["id"] for row in ROWS]
    assert [line["prompt"] for line in lines] == [row["prompt"] for row in ROWS]
    for line in lines:
        assert (line["state"], line["failure"]) == ("succeeded", None)
        for file in line["files"]:
            assert (folder / file["path"]).stat().st_size == file["size"]
