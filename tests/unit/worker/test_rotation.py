"""Logs are rotated while real processes append to them."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from jobs.settings import Settings
from tests.faults.disk import small_disk
from tests.waiting import until
from worker.rotation import LogRotation

Start = Callable[..., "subprocess.Popen[Any]"]

#: Appends the numbers from 0 on as fast as it can, a line a write, until SIGTERM.
ENDLESS = """
import itertools, os, signal
stop = []
signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
for n in itertools.count():
    os.write(2, b"%07d\\n" % n)
    if stop:
        break
"""
#: Logs a line of 1000 bytes for each line that it reads, as a worker logs, and answers when it has.
ASKED = """
import logging, sys
from jobs.settings import Settings
from worker.log import log_to_stderr
log_to_stderr(Settings.read({}))
for line in sys.stdin:
    logging.getLogger("worker").info("%s %s", line.strip(), "x" * 950)
    print(line.strip(), flush=True)
"""


def settings(home: Path, **values: Any) -> Settings:
    (home / "logs").mkdir(parents=True, exist_ok=True)
    return replace(Settings.read({}, home=str(home)), **values)


def opened(start: Start, log: Path, program: str) -> subprocess.Popen[Any]:
    """A process whose log is opened as `Supervisor` opens it, by a parent that has closed it."""
    with log.open("ab") as file:
        return start(
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=file, text=True,
        )  # fmt: skip


def ask(process: subprocess.Popen[str], what: str) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(what + "\n")
    process.stdin.flush()
    assert process.stdout.readline().strip() == what


def numbers(path: Path) -> list[int]:
    """The numbers in a file. The last line may be torn where a copy ended."""
    return [int(line) for line in path.read_text().split("\n")[:-1] if len(line) == 7]


def test_no_line_between_rotations_is_lost(tmp_path: Path, start_process: Start) -> None:
    made = settings(tmp_path, log_mib=0.004, log_files=3)
    log = tmp_path / "logs" / "worker-cpu.log"
    log.touch(mode=0o640)
    process = opened(start_process, log, ASKED)
    rotation = LogRotation(made)
    for n in range(30):
        ask(process, f"line{n:03d}")
        rotation.rotate()
    names = ["worker-cpu.log", *(f"worker-cpu.log.{n}" for n in (1, 2, 3))]
    assert sorted(path.name for path in log.parent.iterdir()) == names
    assert {path.stat().st_mode & 0o777 for path in log.parent.iterdir()} == {0o640}
    kept = "".join((log.parent / name).read_text() for name in reversed(names))
    said = [line.split()[3] for line in kept.splitlines()]
    # 4194 bytes is five lines of a thousand bytes: the file in use is empty after 30 lines.
    assert log.read_text() == ""
    assert said == [f"line{n:03d}" for n in range(15, 30)]


def test_only_what_is_written_at_the_truncation_is_lost(
    tmp_path: Path, start_process: Start
) -> None:
    """Every gap lies between the end of one file and the beginning of the next."""
    made = settings(tmp_path, log_mib=0.1, log_files=1000)
    log = tmp_path / "logs" / "broker.log"
    process = opened(start_process, log, ENDLESS)
    rotation = LogRotation(made)

    def rotated() -> int:
        rotation.rotate()
        return len(list(log.parent.glob("broker.log.*"))) >= 8

    until(rotated, "eight rotations")
    process.send_signal(signal.SIGTERM)
    process.wait()
    files = sorted(log.parent.glob("broker.log.*"), key=lambda path: -int(path.suffix[1:]))
    found = [numbers(path) for path in (*files, log)]
    for each in found:
        # The first line may be the rest of a torn one.
        whole = each[1:]
        assert whole == list(range(whole[0], whole[0] + len(whole))) if whole else True
    ordered = [n for each in found for n in each]
    assert all(before < after for before, after in pairwise(ordered)), "nothing is there twice"


def test_what_is_written_while_it_is_copied_is_kept(
    tmp_path: Path, start_process: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = settings(tmp_path, log_mib=0.001)
    log = tmp_path / "logs" / "worker-cpu.log"
    process = opened(start_process, log, ASKED)
    ask(process, "first")
    ask(process, "second")
    replace_ = Path.replace

    def late(path: Path, target: Path) -> Path:
        ask(process, "meanwhile")
        return replace_(path, target)

    monkeypatch.setattr(Path, "replace", late)
    LogRotation(made).rotate()
    lines = (log.parent / "worker-cpu.log.1").read_text().splitlines()
    assert [line.split()[3] for line in lines] == ["first", "second", "meanwhile"]
    assert log.read_bytes() == b""


def test_a_log_that_another_process_rotates_is_left_to_it(tmp_path: Path) -> None:
    made = settings(tmp_path, log_mib=0.5)
    log = tmp_path / "logs" / "worker-a.log"
    log.write_bytes(b"x" * 2**20)
    with log.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        LogRotation(made).rotate()
    assert [path.name for path in log.parent.iterdir()] == ["worker-a.log"]
    LogRotation(made).rotate()
    sizes = {path.name: path.stat().st_size for path in log.parent.iterdir()}
    assert sizes == {"worker-a.log": 0, "worker-a.log.1": 2**20}


def test_only_logs_of_ours_and_no_links(tmp_path: Path) -> None:
    made = settings(tmp_path, log_mib=0.001)
    secret, foreign = tmp_path / "secret", tmp_path / "logs" / "notes.log"
    secret.write_bytes(b"s" * 5000)
    foreign.write_bytes(b"f" * 5000)
    (tmp_path / "logs" / "broker.log").symlink_to(secret)
    LogRotation(made).rotate()
    assert sorted(path.name for path in foreign.parent.iterdir()) == ["broker.log", "notes.log"]
    assert (secret.stat().st_size, foreign.stat().st_size) == (5000, 5000)


def test_a_killed_rotation_is_done_again(tmp_path: Path) -> None:
    made = settings(tmp_path, log_mib=0.001)
    log = tmp_path / "logs" / "broker.log"
    log.write_bytes(b"l" * 5000)
    (log.parent / ".broker.log.part").write_bytes(b"half")
    LogRotation(made).rotate()
    assert sorted(path.name for path in log.parent.iterdir()) == ["broker.log", "broker.log.1"]
    assert (log.parent / "broker.log.1").read_bytes() == b"l" * 5000


def test_a_full_disk_keeps_the_log_and_the_worker(
    start_process: Start, caplog: pytest.LogCaptureFixture
) -> None:
    with small_disk(2) as disk:
        made = settings(disk.folder, log_mib=0.25)
        log = disk.folder / "logs" / "worker-cpu.log"
        log.write_bytes(b"x" * 2**19)
        process = opened(start_process, log, ASKED)
        rotation = LogRotation(made)
        disk.fill()
        for n in range(8):  # more than the last page of the log has room for
            ask(process, f"full{n}")
        rotation.rotate()
        rotation.rotate()
        assert process.poll() is None
        assert [path.name for path in log.parent.iterdir()] == ["worker-cpu.log"]
        assert log.read_bytes()[: 2**19] == b"x" * 2**19
        [said] = caplog.messages
        assert "worker-cpu.log not rotated (retrying; logged once): No space left" in said
        disk.free()
        ask(process, "free")
        rotation.rotate()
        assert os.path.getsize(log) == 0  # noqa: PTH202
        assert "free" in (log.parent / "worker-cpu.log.1").read_text()
        process.kill()
        process.wait()
