"""The crew's processes: their command lines, restarts and logs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.waiting import HUNG, until
from worker.cli.worker import worker
from worker.options import WorkerOptions
from worker.supervision import supervisor as crews
from worker.supervision.supervisor import Supervisor, command, tail


def parsed(line: list[str]) -> WorkerOptions:
    """What `hymo worker` would understand."""
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


def test_the_end_of_a_log(tmp_path: Path) -> None:
    path = tmp_path / "log"
    assert tail(path) == ""
    path.write_bytes(b"\xff\n" + b"".join(b"line %d\n" % n for n in range(5000)) + b"\n\n")
    assert tail(path, 2) == "line 4998\nline 4999"


@pytest.fixture
def crew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Supervisor]:
    """A crew of one whose worker is `sh -c $DO`."""
    monkeypatch.setattr(
        crews, "command", lambda options, *, parent: ["sh", "-c", options.name or ""]
    )
    monkeypatch.setattr(crews, "FIRST_PAUSE", 0.0)
    made = Supervisor(workers=(), environ={"PATH": os.environ["PATH"]}, logs=tmp_path / "logs")
    yield made
    made.kill()


def started(crew: Supervisor, script: str) -> Supervisor:
    crew.workers = (WorkerOptions(device="cpu", name=script),)
    crew.start()
    return crew


def fallen(crew: Supervisor) -> list[crews.Exit]:
    return until(crew.look, "the worker falls")


def until_up(crew: Supervisor) -> None:
    until(lambda: "up" in tail(crew._members[0].log), "the worker says up")


def test_a_worker_that_dies_is_started_again(crew: Supervisor) -> None:
    started(crew, "echo gone; exit 7")
    first = fallen(crew)[0]
    assert (first.code, first.final) == (7, False)
    assert tail(first.log) == "gone"
    assert not crew.exhausted
    crew._members[0].due = 0.0
    assert fallen(crew)[0].code == 7
    assert crew._members[0].restarts == 1


def test_pauses_double(crew: Supervisor) -> None:
    started(crew, "exit 1")
    pauses = []
    for _ in range(3):
        crew._members[0].pause = crew._members[0].pause or 0.5
        fallen(crew)
        pauses.append(crew._members[0].pause)
        crew._members[0].due = 0.0
    assert pauses == [1.0, 2.0, 4.0]


def test_wrong_usage_is_not_tried_again(crew: Supervisor) -> None:
    started(crew, "exit 2")
    assert fallen(crew)[0].final
    assert crew.exhausted
    assert crew.look() == []


def test_draining_asks_and_waits(crew: Supervisor) -> None:
    started(crew, "trap 'exit 0' TERM; echo up; while :; do sleep 0.01; done")
    until_up(crew)
    assert crew.drain(timeout=HUNG)
    assert crew.pids == []
    assert crew.kill() == [], "who ended in order did not fall"


def test_who_does_not_drain_in_time_is_ended(crew: Supervisor) -> None:
    started(crew, "trap '' TERM; echo up; while :; do sleep 0.01; done")
    until_up(crew)
    assert not crew.drain(timeout=0.05)
    hurries = iter([False, True])
    assert not crew.drain(hurry=lambda: next(hurries))
    (pid,) = crew.pids
    (found,) = crew.kill()
    assert (found.pid, found.code, found.final) == (pid, -9, True)
    assert crew.pids == []
    assert crew.look() == [], "nobody is started again"
