"""The benchmark of the encoder works in its miniature."""

import json
import sys
from pathlib import Path

import pytest

from benchmarks.gpu import encoding


def test_the_miniature_prints_its_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["encoding", "--tiny", "--device", "cpu", "--rounds", "1", "--folder", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", line)
    encoding.main()
    figures = {
        figure["name"]: figure for figure in map(json.loads, capsys.readouterr().out.splitlines())
    }
    assert figures["ratio to one at a time as published"]["at_least"] == 5
    assert figures["ours, batch 32"]["value"] > 0
    # bfloat16 rounds in other places, and that is all.
    assert figures["ctxt alone against as published"]["value"] < 0.02
    assert figures["ctxt in a batch of 32 against alone"]["value"] < 0.02
    assert not (tmp_path / "embeddings").exists()
