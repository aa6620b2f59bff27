"""The example in docs/library.md runs as it stands."""

import re
from pathlib import Path

import numpy as np
import pytest

PAGE = Path(__file__).parents[3] / "docs" / "library.md"


def example() -> str:
    [block] = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return str(block)


def test_the_example_is_short_and_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = example()
    assert len([line for line in code.splitlines() if line.strip()]) <= 11
    monkeypatch.chdir(tmp_path)
    exec(compile(code, str(PAGE), "exec"), {})
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "motion-0.bvh",
        "motion-0.glb",
        "motion-0.npz",
        "motion-1.bvh",
        "motion-1.glb",
        "motion-1.npz",
    ]
    with np.load(tmp_path / "motion-1.npz", allow_pickle=False) as file:
        assert file["prompt"] == "a person waves with the left hand"
        assert file["joints"].shape == (60, 22, 3)
