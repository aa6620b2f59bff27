"""The example in docs/text.md runs as it stands, with a small encoder in the place of the real."""

import re
import shutil
from pathlib import Path

import pytest

from hymotion.conditioning import TextConditioning

PAGE = Path(__file__).parents[4] / "docs" / "text.md"


def test_the_example_runs(
    text_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [code] = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    shutil.copytree(text_folder, tmp_path / ".hymo" / "models" / "hy-motion-1.0" / "text")
    known: dict[str, object] = {}
    exec(compile(code, "text.md", "exec"), known)
    assert isinstance(known["text"], TextConditioning)
    assert len([*(tmp_path / "embeddings").rglob("*.safetensors")]) == 2
