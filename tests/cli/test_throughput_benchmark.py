"""`benchmarks.gpu.throughput` runs on a CPU in miniature, and goes on where it was interrupted."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_cells_are_measured_once(tmp_path: Path) -> None:
    file = tmp_path / "cells.jsonl"
    command = [sys.executable, "-m", "benchmarks.gpu.throughput", str(file), "--tiny"]
    command += ["--device", "cpu", "--modes", "lite", "--frames", "20", "--packs", "1,2"]
    command += ["--precisions", "float32"]
    first = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert first.returncode == 0, first.stderr
    assert "the device is no NVIDIA GPU" in first.stderr  # the fused path is not measured there
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(line["pack"], line["path"]) for line in lines] == [(1, "eager"), (2, "eager")]
    assert all(line["s_per_motion"] > 0 and line["tflops"] >= 0 for line in lines)
    file.write_text(json.dumps(lines[1]) + "\n")
    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert [json.loads(line)["pack"] for line in file.read_text().splitlines()] == [2, 1]
