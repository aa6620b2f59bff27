"""The supervisor's processes: their command lines, restarts and logs."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.waiting import HUNG, until
from worker.cli.worker import worker
from worker.options import WorkerOptions
from worker.supervision import supervisor as module
from worker.supervision.supervisor import MAX_FAILURES, Supervisor, command, tail


def parsed(line: list[str]) -> WorkerOptions:
    """The options that `hymo worker` parses from a command line."""
    assert line[1:4] == ["-m", "jobs", "worker"]
    return WorkerOptions(**worker.make_context("worker", line[4:]).params)


def test_the_command_line_says_all_and_the_command_takes_it() -> None:
    options = WorkerOptions(
        device="cuda:1", name="left", memory_gib=22.5, modes=("lite",), models=("tiny", "null"),
        threads=8, dtype="float16", text_plan="staged", quantise="int8",
    )  # fmt: skip
    assert parsed(command(options, parent=77)) == replace(options, parent=77)


def test_what_is_not_given_is_left_to_the_worker() -> None:
    assert parsed(command(WorkerOptions(), parent=1)) == WorkerOptions(parent=1)


def test_the_environment_of_the_workers_is_not_shown(tmp_path: Path) -> None:
    environ = {"HYMO_BROKER_URL": "redis://:secret@h"}
    assert "secret" not in repr(Supervisor(workers=(), environ=environ, logs=tmp_path))


def test_the_end_of_a_log(tmp_path: Path) -> None:
    path = tmp_path / "log"
    assert tail(path) == ""
    path.write_bytes(b"\xff\n" + b"".join(b"line %d\n" % n for n in range(5000)) + b"\n\n")
    assert tail(path, 2) == "line 4998\nline 4999"


@pytest.fixture
def supervisor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Supervisor:
    """A supervisor whose workers are shell scripts, given as their names."""
    monkeypatch.setattr(
        module, "command", lambda options, *, parent: ["sh", "-c", options.name or ""]
    )
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.0)
    return Supervisor(workers=(), environ={"PATH": os.environ["PATH"]}, logs=tmp_path / "logs")


def started(supervisor: Supervisor, script: str) -> Supervisor:
    supervisor.workers = (WorkerOptions(device="cpu", name=script),)
    supervisor.start()
    return supervisor


def exits(supervisor: Supervisor) -> list[module.Exit]:
    return until(supervisor.check, "the exit of a worker")


def test_a_worker_that_exits_is_started_again(supervisor: Supervisor) -> None:
    started(supervisor, "echo gone; exit 7")
    try:
        first = exits(supervisor)[0]
        assert (first.code, first.final) == (7, False)
        assert tail(first.log) == "gone"
        assert not supervisor.exhausted
        supervisor._children[0].due = 0.0
        assert exits(supervisor)[0].code == 7
        assert supervisor._children[0].restarts == 1
    finally:
        supervisor.kill()


def test_pauses_double(supervisor: Supervisor) -> None:
    started(supervisor, "exit 1")
    try:
        pauses = []
        for _ in range(3):
            supervisor._children[0].pause = supervisor._children[0].pause or 0.5
            exits(supervisor)
            pauses.append(supervisor._children[0].pause)
            supervisor._children[0].due = 0.0
        assert pauses == [1.0, 2.0, 4.0]
    finally:
        supervisor.kill()


def restarted(supervisor: Supervisor, times: int) -> list[bool]:
    """Whether the worker was given up, after each of several exits without a pause."""
    (child,) = supervisor._children
    given_up = []
    for _ in range(times):
        given_up.append(exits(supervisor)[0].final)
        child.due = 0.0
    return given_up


def test_a_worker_that_exits_with_errors_is_given_up(supervisor: Supervisor) -> None:
    started(supervisor, "exit 1")
    try:
        assert restarted(supervisor, MAX_FAILURES) == [False] * (MAX_FAILURES - 1) + [True]
        assert supervisor.exhausted
    finally:
        supervisor.kill()


@pytest.mark.parametrize("script", ["exit 0", "kill -9 $$", "exit 7", "exit 76"])
def test_restarts_without_an_error_of_its_own_do_not_give_a_worker_up(
    supervisor: Supervisor, script: str
) -> None:
    started(supervisor, script)
    try:
        assert restarted(supervisor, MAX_FAILURES + 2) == [False] * (MAX_FAILURES + 2)
        assert supervisor._children[0].restarts == MAX_FAILURES + 1
    finally:
        supervisor.kill()


def test_while_the_database_is_away_no_exit_counts_and_pauses_stay_short(
    supervisor: Supervisor,
) -> None:
    away = [True]
    supervisor.away = lambda: away[0]
    started(supervisor, "exit 1")
    (child,) = supervisor._children
    try:
        assert restarted(supervisor, MAX_FAILURES + 2) == [False] * (MAX_FAILURES + 2)
        child.pause = 40.0
        assert exits(supervisor)[0].away
        assert child.due - time.monotonic() <= module.AWAY_PAUSE
        away.clear()
        away.append(False)
        child.due = 0.0
        assert restarted(supervisor, MAX_FAILURES)[-1], "its own errors count again"
    finally:
        supervisor.kill()


def test_a_steady_worker_has_its_errors_forgiven(supervisor: Supervisor) -> None:
    started(supervisor, "exit 1")
    (child,) = supervisor._children
    try:
        assert restarted(supervisor, MAX_FAILURES - 1)[-1] is False
        supervisor.check()
        child.started -= module.STEADY + 1
        assert restarted(supervisor, 1) == [False]
        assert child.failures == 1
    finally:
        supervisor.kill()


def test_wrong_usage_is_not_tried_again(supervisor: Supervisor) -> None:
    started(supervisor, "exit 2")
    assert exits(supervisor)[0].final
    assert supervisor.exhausted
    assert supervisor.check() == []


def test_draining_asks_and_waits(supervisor: Supervisor) -> None:
    started(supervisor, "trap 'exit 0' TERM; echo up; while :; do sleep 0.01; done")
    until(lambda: "up" in tail(supervisor._children[0].log), "the worker's first line")
    assert supervisor.drain(timeout=HUNG)
    assert supervisor.pids == []
    assert supervisor.kill() == [], "a worker that was asked to exit is not reported"


def test_a_worker_that_does_not_drain_in_time_is_killed(supervisor: Supervisor) -> None:
    started(supervisor, "trap '' TERM; echo up; while :; do sleep 0.01; done")
    until(lambda: "up" in tail(supervisor._children[0].log), "the worker's first line")
    assert not supervisor.drain(timeout=0.05)
    hurries = iter([False, True])
    assert not supervisor.drain(hurry=lambda: next(hurries))
    (pid,) = supervisor.pids
    (found,) = supervisor.kill()
    assert (found.pid, found.code, found.final) == (pid, -9, True)
    assert supervisor.pids == []
    assert supervisor.check() == [], "no worker is started again"


@pytest.mark.parametrize(
    ("script", "story"),
    [
        ("exit 7", "ended with code 7"),
        ("kill -9 $$", "was killed (SIGKILL), by the kernel for want of memory or by somebody"),
        ("kill -6 $$", "was ended by signal 6"),
    ],
)
def test_how_a_process_ended_is_told(supervisor: Supervisor, script: str, story: str) -> None:
    started(supervisor, script)
    try:
        assert story in exits(supervisor)[0].story
    finally:
        supervisor.kill()
