"""Run the command line as a user does: in processes with a temporary home."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from click.testing import Result

from jobs.store.store import Store
from tests.cli.calling import Hymo, call
from tests.waiting import HUNG


@dataclass
class Shell:
    """A user with an empty home, who runs `hymo`."""

    home: Path
    environ: Mapping[str, str] = field(default_factory=dict)
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def environment(self) -> dict[str, str]:
        """The environment of the processes: of the test's own, only PATH."""
        kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
        settings = {"HYMO_HOME": str(self.home), "COLUMNS": "80", "HYMO_RECONCILE": "0.5"}
        return {**kept, **settings, **self.environ}

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `hymo` to its end."""
        return subprocess.run(
            [sys.executable, "-m", "jobs", *words],
            env=self.environment(), capture_output=True, text=True,
            cwd=self.home.parent, check=False,
        )  # fmt: skip

    def call(self, *words: str) -> Result:
        """Run `hymo` in the test's process: for a command that would import torch for longer than
        it works."""
        others = {key: None for key in os.environ if key[:5] == "HYMO_"}
        with contextlib.chdir(self.home.parent):
            return call(*words, env=others | self.environment())

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start `hymo` without waiting for it."""
        process = subprocess.Popen(
            [sys.executable, "-m", "jobs", *words],
            env=self.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            cwd=self.home.parent,
        )  # fmt: skip
        self.started.append(process)
        return process

    def close(self) -> None:
        """Stop processes that a failed test left running, gracefully if possible."""
        for process in self.started:
            if process.poll() is None:
                process.terminate()
                try:
                    process.communicate(timeout=HUNG)
                except subprocess.TimeoutExpired:
                    process.kill()
            process.communicate()


@pytest.fixture
def shell() -> Iterator[Shell]:
    """A shell whose home has a path short enough for a unix socket."""
    folder = Path(tempfile.mkdtemp(prefix="hymo-cli-"))
    made = Shell(folder / "home")
    yield made
    made.close()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def hymo_(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hymo:
    """Runs `hymo` in this process and a temporary folder, on the test's SQLite database, with
    tables 80 wide."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HYMO_OUTPUT", raising=False)
    for name, value in (
        ("HYMO_DATABASE_URL", sqlite_url), ("HYMO_HOME", str(tmp_path / "home")),
        ("COLUMNS", "80"), ("HYMO_BROKER_URL", ""), ("TZ", "UTC"),
    ):  # fmt: skip
        monkeypatch.setenv(name, value)
    return call


@pytest.fixture
def made_night(sqlite_url: str, tmp_path: Path) -> Iterator[Store]:
    """A database with a batch `night`, whose files are under `tmp_path/out`."""
    from tests.cli.made import night  # imports torch

    with night(sqlite_url, tmp_path / "out") as store:
        yield store
