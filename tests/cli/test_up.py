"""`hymo up` and `hymo doctor`."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest

from tests.waiting import until

pytestmark = pytest.mark.redis


def log(shell: Any) -> str:
    """What the CPU's worker wrote; nothing before it starts."""
    path = shell.home / "logs" / "worker-cpu.log"
    return path.read_text() if path.exists() else ""


def test_up_serves_other_commands_and_drains_on_sigterm(shell: Any) -> None:
    shell.environ = {"HYMO_NULL_STEP": "0.01"}
    up = shell.start("up", "--models", "null", "--memory", "64")
    try:
        until(lambda: "is ready" in log(shell), "the worker is ready", story=lambda: log(shell))
        second = shell.run("up", "--models", "null")
        assert second.returncode == 1
        assert f"process {up.pid} already uses {shell.home}" in second.stderr
        path = shell.home.parent / "few.csv"
        path.write_text("prompt\n" + "".join(f"p{number}\n" for number in range(12)))
        done = shell.run("run", str(path), "--model", "null", "--mode", "full", "--steps", "3")
        assert done.returncode == 0, done.stderr
        assert "its workers run the jobs" in done.stderr
        assert "12 succeeded" in done.stdout
        workers = json.loads(shell.run("workers", "--json").stdout)
        assert workers["schema"] == "hymo.workers/1"
        assert [worker["modes"] for worker in workers["workers"]] == [["full", "lite"]]
    finally:
        up.send_signal(signal.SIGTERM)
        _, errors = up.communicate()
    assert up.returncode == 0, errors
    assert "stopping: no motion is running" in errors
    assert not (shell.home / "broker.sock").exists()
    assert "has ended" in log(shell)
    assert json.loads(shell.run("workers", "--json").stdout)["workers"] == []


@pytest.mark.parametrize("command", ["up", "worker"])
def test_models_without_weights_are_refused_before_anything_starts(
    shell: Any, command: str
) -> None:
    done = shell.run(command, "--models", "hy-motion-1.0")
    assert done.returncode == 2
    assert "its full and lite weights are not installed" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (shell.home / "logs").exists()


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--devices", "cuda:7"), "choose one with --devices\n"),
        (("--devices", ","), "--devices=',': give auto, or some of"),
        (("--serve", "huge"), "--serve='huge'"),
        (("--models", "huge"), "--models='huge'"),
    ],
)
def test_errors_name_the_option_that_was_typed(
    shell: Any, words: tuple[str, ...], named: str
) -> None:
    done = shell.run("up", *words)
    assert done.returncode == 2
    assert named in done.stderr


def test_up_with_a_budget_below_the_smallest_class_says_so(shell: Any) -> None:
    done = shell.run("up", "--memory", "0.5")
    assert done.returncode == 1
    assert "the smallest class is 1 GiB" in done.stderr
    assert "--memory" in done.stderr


def test_the_doctor_finds_a_healthy_machine(shell: Any) -> None:
    done = shell.run("doctor", "--json")
    assert done.returncode == 0
    report = json.loads(done.stdout)
    assert report["schema"] == "hymo.doctor/1"
    health = {finding["check"]: finding["health"] for finding in report["findings"]}
    assert health["database"] == health["broker"] == health["cpu"] == "ok"
    assert not shell.home.exists(), "the doctor changes nothing"


def test_the_doctor_names_the_mend_and_no_password(shell: Any) -> None:
    shell.environ = {
        "HYMO_BROKER_URL": "redis://:secret@127.0.0.1:1/0",
        "HYMO_DATABASE_URL": "postgresql://hymo:secret@127.0.0.1:1/hymo",
    }
    done = shell.run("doctor")
    assert done.returncode == 1
    assert "bad      broker" in done.stdout
    assert "bad      database" in done.stdout
    assert "secret" not in done.stdout + done.stderr
