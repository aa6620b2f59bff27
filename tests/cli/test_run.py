"""`hymo run`: a file of prompts to files of motions, in one command."""

from __future__ import annotations

import hashlib
import json
import signal
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.redis

PROMPTS = """prompt,id,frames,mode,steps,formats
a person walks,walk,20,full,2,npz;bvh
a person runs,run,30,lite,2,npz
a person jumps,jump,40,auto,2,npz
"""


@pytest.fixture
def prompts(shell: Any) -> str:
    path = shell.home.parent / "night.csv"
    path.write_text(PROMPTS)
    return str(path)


def test_a_file_becomes_motions_and_rows(shell: Any, prompts: str) -> None:
    done = shell.run("run", prompts)
    assert done.returncode == 0, done.stderr
    assert "batch night: 3 new, 0 existing" in done.stdout
    assert "auto chose full for 1 job" in done.stdout, "the worker about to start counts"
    assert "untrained weights" in done.stdout
    assert "3/3 done" in done.stderr
    assert all(len(line) <= 80 for line in done.stdout.splitlines() if str(shell.home) not in line)
    folder = shell.home / "output" / "night"
    with np.load(folder / "jump_s0.npz", allow_pickle=False) as motion:
        assert motion["poses"].shape == (40, 156)
    lines = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
    assert [line["id"] for line in lines] == ["walk", "run", "jump"]
    for line in lines:
        for file in line["files"]:
            content = (folder / file["path"]).read_bytes()
            assert hashlib.sha256(content).hexdigest() == file["sha256"]
    rows = sqlite3.connect(shell.home / "hymo.db").execute(
        "SELECT outcome, sample_s > 0, peak_memory_bytes > 0 FROM attempts"
    )
    assert rows.fetchall() == [("succeeded", 1, 1)] * 3


def test_running_again_adds_nothing_and_starts_nothing(shell: Any, prompts: str) -> None:
    assert shell.run("run", prompts).returncode == 0
    again = shell.run("run", prompts, "--json")
    document = json.loads(again.stdout)
    assert document.pop("seconds") < 5
    assert document == {
        "schema": "hymo.run/1",
        "batch": "night",
        "counts": {"queued": 0, "running": 0, "succeeded": 3, "failed": 0, "cancelled": 0},
    }
    log = (shell.home / "logs" / "worker-cpu.log").read_text()
    assert log.count("is ready") == 1


def test_failed_jobs_are_named_and_make_the_exit_code_five(shell: Any, prompts: str) -> None:
    (shell.home / "output").mkdir(parents=True)
    (shell.home / "output" / "night").write_text("a file where the folder should be")
    shell.environ = {"HYMO_MAX_ATTEMPTS": "1"}
    done = shell.run("run", prompts)
    assert done.returncode == 5
    assert "3 failed" in done.stdout
    assert "job 1 (walk): error: SaveError" in done.stdout
    assert "hymo retry --batch night" in done.stdout


def test_interrupting_keeps_what_is_done_and_leaves_no_process(shell: Any) -> None:
    path = Path(shell.home.parent / "long.csv")
    path.write_text("prompt\n" + "".join(f"p{number}\n" for number in range(200)))
    shell.environ = {"HYMO_NULL_STEP": "0.1"}
    running = shell.start(
        "run", str(path), "--models", "null", "--memory", "64", "--model", "null", "--mode",
        "full", "--steps", "5",
    )  # fmt: skip
    assert running.stderr is not None
    for line in running.stderr:
        if "succeeded" in line:
            break
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=60)
    assert running.returncode == 130, errors
    states = dict(
        sqlite3.connect(shell.home / "hymo.db").execute(
            "SELECT state, count(*) FROM jobs GROUP BY 1"
        )
    )
    assert set(states) == {"queued", "succeeded"}, "the pack in hand was finished"
    assert not (shell.home / "broker.sock").exists()
    shell.environ = {}
    rest = shell.run(
        "run", str(path), "--models", "null", "--memory", "64", "--model", "null", "--mode",
        "full", "--steps", "5", "--json",
    )  # fmt: skip
    assert json.loads(rest.stdout)["counts"]["succeeded"] == 200


def test_a_bad_file_starts_nothing(shell: Any) -> None:
    path = shell.home.parent / "bad.csv"
    path.write_text("prompt,frames\nwalk,9999\n")
    done = shell.run("run", str(path))
    assert done.returncode == 2
    assert f"{path}:2" in done.stderr
    assert "frames" in done.stderr
    assert not (shell.home / "logs").exists()


def test_a_worker_that_cannot_start_is_told_not_waited_for(shell: Any, prompts: str) -> None:
    done = shell.run("run", prompts, "--devices", "cuda:7")
    assert done.returncode == 2
    assert "no device 'cuda:7'" in done.stderr
    assert "cpu" in done.stderr
