"""A home of its own, where the golden network is the published one."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import hymotion.importing
from jobs.cli.main import hymo
from tests.cli.models.reading import Models
from tests.unit.hymotion.importing.sources import (
    RELEASE,
    everything,
)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def models(home: Path, monkeypatch: pytest.MonkeyPatch) -> Models:
    """Runs `hymo models` where the golden network is the published one."""
    monkeypatch.setattr(hymotion.importing, "HY_MOTION", RELEASE)
    monkeypatch.setenv("HYMO_HOME", str(home))
    monkeypatch.setenv("COLUMNS", "1000")  # nothing is cut

    def run(*words: object, stdin: str | None = None) -> Result:
        return CliRunner().invoke(_Whole(), ["models", *map(str, words)], input=stdin)

    return run


class _Whole:
    """The root group in standalone mode, as the console script runs it."""

    name = "hymo"

    def main(self, args: list[str], prog_name: str, **extra: object) -> None:
        hymo.main(args, prog_name=prog_name, **extra)  # type: ignore[arg-type]  # as the test gives it


@pytest.fixture
def given(tmp_path: Path) -> list[str]:
    """Options that import all but Lite."""
    wanted = everything(tmp_path / "given")
    words = {"--full": wanted.full, "--upstream": wanted.upstream, "--qwen": wanted.qwen,
             "--clip": wanted.clip}  # fmt: skip
    return [str(word) for pair in words.items() for word in pair]
