"""`benchmarks.gpu.queue` runs a night of the null model on a CPU."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_night_of_the_null_model_is_measured(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.gpu.queue", str(tmp_path), "--null"]
    command += ["--modes", "full", "--prompts", "12", "--seeds", "2", "--singles", "1"]
    command += ["--devices", "cpu", "--frames", "100"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    _, ready, many, single = map(json.loads, ran.stdout.splitlines())
    assert ready["ready_s"] > 0
    assert (many["motions"], sum(many["packs"])) == (24, 24)
    assert many["gap_p50_ms"] is not None
    assert len(single["one motion, claim to file, s"]) == 1
