"""A temporary home in which the golden network stands for the published one."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

import hymotion.importing
from tests.cli.calling import Hymo
from tests.unit.hymotion.importing.sources import (
    RELEASE,
    everything,
)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def models(hymo_: Hymo, monkeypatch: pytest.MonkeyPatch) -> Hymo:
    """Runs `hymo models`, with the golden network in place of the published one."""
    monkeypatch.setattr(hymotion.importing, "HY_MOTION", RELEASE)
    monkeypatch.setenv("COLUMNS", "1000")  # nothing is cut
    return partial(hymo_, "models")


@pytest.fixture
def given(tmp_path: Path) -> list[str]:
    """Options that import all but Lite."""
    wanted = everything(tmp_path / "given")
    words = {"--full": wanted.full, "--upstream": wanted.upstream, "--qwen": wanted.qwen,
             "--clip": wanted.clip}  # fmt: skip
    return [str(word) for pair in words.items() for word in pair]
