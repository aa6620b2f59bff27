"""Temporary files of reused motions are kept while a submit may still rename them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jobs.artifacts import temporary


def test_a_link_is_young_by_its_name_not_by_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "old_s0.npz"
    source.write_bytes(b"motion")
    os.utime(source, (0, 0))
    now = 1_800_000_000.0
    monkeypatch.setattr(temporary.time, "time", lambda: now)
    link = temporary.link_path(tmp_path / "a_s0.npz")
    os.link(source, link)
    assert temporary.list_parts(tmp_path) == [link]
    assert temporary.sweep([link], frozenset()) == 0
    assert link.exists()
    monkeypatch.setattr(temporary.time, "time", lambda: now + temporary.OLD + 1)
    assert temporary.sweep([link], frozenset()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["old_s0.npz"]
