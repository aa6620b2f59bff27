"""`benchmarks.gpu.decode` runs on a CPU with small packs."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_run_in_miniature_decodes_what_the_cpu_decodes() -> None:
    command = [sys.executable, "-m", "benchmarks.gpu.decode", "--tiny", "--device", "cpu"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    document = json.loads(ran.stdout)
    packs = [(each["pack"], each["frames"], each["planted"]) for each in document["figures"]]
    assert packs == [(1, 20, False), (3, 30, False), (1, 20, True), (3, 30, True)]
    assert all(each["error"] == 0 and each["seconds"] > 0 for each in document["figures"])
    assert len(ran.stderr.splitlines()) == 4
