"""`hymo run`: from a prompt file to motion files in one command."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import signal
import socket
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from worker.locks import worker_lock

pytestmark = pytest.mark.redis

PROMPTS = """prompt,id,frames,mode,steps,formats
a person walks,walk,20,full,2,npz;bvh
a person runs and juggles,run,30,lite,2,npz
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
    assert "untrained" not in done.stdout + done.stderr
    assert "tiny has never seen 1 verb of this file and will guess: juggles (row 2)" in done.stderr
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
    assert document.pop("seconds") > 0
    assert document == {
        "schema": "hymo.run/1",
        "batch": "night",
        "counts": {"queued": 0, "running": 0, "succeeded": 3, "failed": 0, "cancelled": 0},
        "unfamiliar": [
            {
                "model": "tiny",
                "verbs": [{"verb": "juggles", "count": 1, "rows": [2]}],
                "not_english": {"count": 0, "rows": []},
            }
        ],
        "recognised": [],
        "rewrite": None,
    }
    log = (shell.home / "logs" / "worker-cpu.log").read_text()
    assert log.count("is ready") == 1


def test_failed_jobs_are_named_and_make_the_exit_code_five(shell: Any, prompts: str) -> None:
    for name in ("walk", "run", "jump"):
        # A folder where the file should be; other files can be written beside it.
        (shell.home / "output" / "night" / f".{name}_s0.npz.1.part").mkdir(parents=True)
    shell.environ = {"HYMO_MAX_ATTEMPTS": "1"}
    done = shell.run("run", prompts)
    assert done.returncode == 5
    assert "3 failed" in done.stdout
    assert "job 1 (walk): error: SaveError" in done.stdout
    assert "hymo retry --batch night" in done.stdout


NULL = ("--models", "null", "--memory", "64", "--model", "null", "--mode", "full", "--steps", "5")


def many(shell: Any, number: int = 200, name: str = "long") -> str:
    """A file of prompts."""
    path = Path(shell.home.parent / f"{name}.csv")
    path.write_text("prompt\n" + "".join(f"{name} {index}\n" for index in range(number)))
    return str(path)


def until_said(running: subprocess.Popen[str], text: str) -> str:
    """Read the output until it contains `text`."""
    assert running.stderr is not None
    said = ""
    for line in running.stderr:
        said += line
        if text in line:
            return said
    pytest.fail(f"it never said {text!r}:\n{said}")


def states(shell: Any) -> dict[str, int]:
    """How many jobs are in each state."""
    with contextlib.closing(sqlite3.connect(shell.home / "hymo.db")) as connection:
        return dict(connection.execute("SELECT state, count(*) FROM jobs GROUP BY 1").fetchall())


def of_home(shell: Any) -> list[psutil.Process]:
    """Processes with the home in their environment or (a server) in their command line."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            where = str(shell.home)
            if process.environ().get("HYMO_HOME") == where or where in " ".join(process.cmdline()):
                found.append(process)
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_keeps_what_is_done_and_leaves_no_process(
    shell: Any, number: signal.Signals
) -> None:
    path = many(shell)
    shell.environ = {"HYMO_NULL_STEP": "0.1"}
    running = shell.start("run", path, *NULL)
    until_said(running, "succeeded")
    running.send_signal(number)
    _, errors = running.communicate()
    assert running.returncode == 130, errors
    left = states(shell)
    assert set(left) == {"queued", "succeeded"}, "the pack in hand was finished"
    assert re.search(r"stopping: (\d+ running motions? finish|no motion is running)", errors)
    told = f"{left['succeeded']} of 200 done; run the same file again to continue"
    assert errors.splitlines()[-1] == told
    assert of_home(shell) == []
    assert not (shell.home / "broker.sock").exists()
    if number == signal.SIGINT:
        shell.environ = {}
        rest = shell.run("run", path, *NULL, "--json")
        assert json.loads(rest.stdout)["counts"]["succeeded"] == 200


def test_a_second_signal_ends_the_motions_in_hand(shell: Any) -> None:
    # The warm-up takes two of these steps, a pack sixty.
    shell.environ = {"HYMO_NULL_STEP": "2"}
    running = shell.start("run", many(shell, 20), *NULL, "--steps", "60")
    until_said(running, "running")
    running.send_signal(signal.SIGINT)
    until_said(running, "Ctrl-C again ends")
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate()
    assert running.returncode == 130, errors
    assert "0 of 20 done" in errors
    assert of_home(shell) == []
    assert states(shell) == {"queued": 20}, "no lease is left to run out"
    with contextlib.closing(sqlite3.connect(shell.home / "hymo.db")) as connection:
        outcomes = connection.execute("SELECT DISTINCT outcome FROM attempts").fetchall()
        workers = connection.execute("SELECT state FROM workers").fetchall()
    assert outcomes == [("released",)], "it was no fault of theirs"
    assert workers == [("stopped",)]


def test_a_second_run_waits_for_the_home_and_goes_on_by_itself(shell: Any) -> None:
    shell.environ = {"HYMO_NULL_STEP": "0.1"}
    first = shell.start("run", many(shell, 200, "first"), *NULL)
    until_said(first, "succeeded")
    second = shell.start("run", many(shell, 3, "second"), *NULL, "--priority", "-1")
    until_said(second, f"process {first.pid} owns this home (hymo up or hymo run)")
    first.send_signal(signal.SIGINT)
    assert first.wait() == 130
    first.communicate()
    # Its jobs come first, so the second run would have to make them all.
    assert shell.run("cancel", "--batch", "first").returncode == 0
    out, errors = second.communicate()
    assert second.returncode == 0, errors
    assert "starting our own workers" in errors
    assert "3 succeeded" in out
    assert of_home(shell) == []


def test_while_its_own_worker_starts_the_line_says_so(shell: Any) -> None:
    # The worker waits for another one of its name before it registers.
    name = f"{socket.gethostname()}-cpu"
    lock = worker_lock(shell.home, device="cpu", name=name)
    assert lock.take() is None
    running = shell.start("run", many(shell, 3), *NULL, "--devices", "cpu")
    try:
        said = until_said(running, "workers are starting")
    finally:
        lock.free()
    _, errors = running.communicate()
    assert running.returncode == 0, errors
    assert "no worker is live" not in said + errors


def test_jobs_of_other_batches_that_come_first_or_in_turn_are_told(shell: Any) -> None:
    for name, priority in (("urgent", "1"), ("old", "0")):
        file = many(shell, 5, name)
        assert shell.run("submit", file, *NULL[4:], "--priority", priority).returncode == 0
    done = shell.run("run", many(shell, 2, "new"), *NULL)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("5 jobs of other batches are queued ahead\n") == 1
    assert done.stderr.count("the batch takes turns with 1 other batch\n") == 1


def test_what_no_worker_takes_is_told_not_waited_for(shell: Any) -> None:
    path = many(shell, 4)
    done = shell.run("run", path, "--models", "tiny", *NULL[2:])
    assert done.returncode == 1
    assert "4 jobs of batch long left: no worker fits: needs" in done.stderr
    assert "no live worker has model null" in done.stderr
    assert not (shell.home / "logs").exists(), "nothing was started for that"


def test_what_fits_is_done_before_the_rest_is_given_up(shell: Any) -> None:
    path = shell.home.parent / "mixed.csv"
    path.write_text("prompt,mode\na,full\nb,lite\nc,lite\n")
    done = shell.run("run", str(path), *NULL[:6], "--steps", "2", "--serve", "lite")
    assert done.returncode == 1
    assert "1 job of batch mixed left" in done.stderr
    assert "no live worker serves full" in done.stderr
    assert states(shell) == {"queued": 1, "succeeded": 2}
    assert of_home(shell) == []


def test_a_paused_batch_is_told_not_waited_for(shell: Any) -> None:
    path = many(shell, 4)
    assert shell.run("submit", path, *NULL[4:]).returncode == 0
    assert shell.run("pause", "long").returncode == 0
    done = shell.run("run", path, *NULL)
    assert done.returncode == 1
    assert "4 jobs of batch long left: it is paused; `hymo resume long`" in done.stderr


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
