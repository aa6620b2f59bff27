"""The examples in docs/library.md and docs/formats.md run as they stand."""

import re
from pathlib import Path

import numpy as np
import pytest

from hymotion.export import FORMATS, JOINT_NAMES
from tests.unit.hymotion.figures import waving

DOCS = Path(__file__).parents[3] / "docs"


def examples(page: str) -> list[str]:
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


def test_the_example_is_short_and_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    making, drawing = examples("library.md")
    assert len([line for line in making.splitlines() if line.strip()]) <= 11
    monkeypatch.chdir(tmp_path)
    known: dict[str, object] = {}
    exec(compile(making, "library.md", "exec"), known)
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
    exec(compile(drawing, "library.md", "exec"), known)
    assert (tmp_path / "motion-0.png").read_bytes()[1:4] == b"PNG"
    assert (tmp_path / "motion-0.gif").read_bytes()[:6] == b"GIF89a"


def test_the_page_on_formats_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [code] = examples("formats.md")
    monkeypatch.chdir(tmp_path)
    FORMATS["npz"].write(waving(20), tmp_path / "wave_s0.npz", {"prompt": "wave"})
    exec(compile(code, "formats.md", "exec"), {})
    assert b"mixamorig:LeftUpLeg" in (tmp_path / "wave.glb").read_bytes()


def test_the_page_has_the_names_of_all_joints() -> None:
    text = (DOCS / "formats.md").read_text(encoding="utf-8")
    rows = [
        tuple(cell.strip() for cell in line.strip("|").split("|"))
        for line in text.splitlines()
        if "mixamorig:" in line
    ]
    schemes = ("own", "smplh", "hik", "mixamo")
    assert rows == list(zip(*(JOINT_NAMES[scheme] for scheme in schemes), strict=True))
