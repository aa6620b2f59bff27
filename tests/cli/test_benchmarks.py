"""`python -m benchmarks` runs and prints every figure; speed is not tested."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.redis
@pytest.mark.postgres
@pytest.mark.parametrize(
    ("names", "targets"),
    [
        (
            ("startup", "submit", "history", "claims"),
            {
                "hymo --help": None,
                "against .delay()": 2,
                "peak memory": None,
                "hymo history": None,
            },
        ),
        (("lifecycle",), {"against Celery": 1}),
    ],
)
def test_a_quick_run_gives_every_figure(
    tmp_path: Path, names: tuple[str, ...], targets: dict[str, float | None]
) -> None:
    file = tmp_path / "bench.json"
    command = [sys.executable, "-m", "benchmarks", "--quick", "--json", str(file), *names]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == ""
    document = json.loads(file.read_text("utf-8"))
    assert document["schema"] == "hymo.bench/1"
    assert document["quick"] is True
    assert {"cores", "processor", "python", "date", "celery", "SQLAlchemy"} <= document[
        "machine"
    ].keys()
    figures = document["figures"]
    assert {figure["bench"] for figure in figures} == set(names)
    assert len(ran.stderr.splitlines()) == len(figures)
    for figure in figures:
        assert math.isfinite(figure["value"])
        assert figure["value"] > 0
        assert (figure["ok"] is None) == (figure["at_least"] is figure["at_most"] is None)
        assert figure["database"] in {None, "sqlite", "postgresql"}
    for name, least in targets.items():
        found = [figure for figure in figures if figure["name"] == name]
        assert {figure["at_least"] for figure in found} == {least}
        assert len(found) == (1 if name == "hymo --help" else 2)
