"""`hymo worker`, the command."""

from __future__ import annotations

from pathlib import Path

import pytest

from hymotion.errors import ConfigError, HymotionError
from jobs.cli.context import App
from jobs.cli.faults import explain
from worker import lifecycle
from worker.cli.worker import worker
from worker.errors import EngineError


def run(tmp_path: Path) -> None:
    worker.main(["--device", "cpu"], standalone_mode=False, obj=App({"HYMO_HOME": str(tmp_path)}))


def test_errors_of_the_model_library_are_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def run_worker(_options: object, _settings: object) -> int:
        raise ConfigError("no such model", mend="Choose another", path=None, key=None)

    monkeypatch.setattr(lifecycle, "run_worker", run_worker)
    monkeypatch.setattr("worker.log.log_to_stderr", lambda _: None)
    with pytest.raises(EngineError, match="no such model") as caught:
        run(tmp_path)
    assert isinstance(caught.value.__cause__, HymotionError)
    fault = explain(caught.value)
    assert fault is not None
    assert "\n" not in fault.message


def test_a_fault_of_the_program_keeps_its_traceback(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def run_worker(_options: object, _settings: object) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr(lifecycle, "run_worker", run_worker)
    monkeypatch.setattr("worker.log.log_to_stderr", lambda _: None)
    with pytest.raises(ZeroDivisionError):
        run(tmp_path)
