"""`hymo run` of jobs that already exist: cached, changed, or with lost files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.redis


def write(shell: Any, content: str, name: str) -> str:
    path: Path = shell.home.parent / name
    path.write_text("prompt,id,frames,mode,steps\n" + content)
    return str(path)


def manifest(folder: Path) -> list[str]:
    lines = (folder / "manifest.jsonl").read_text().splitlines()
    return sorted(json.loads(line)["id"] for line in lines)


def test_a_cached_batch_has_its_own_files_and_manifest(shell: Any) -> None:
    first = write(shell, "walks,a,20,lite,2\nruns,b,20,lite,2\n", "first.csv")
    assert shell.run("run", first).returncode == 0
    second = write(shell, "runs,x,20,lite,2\nwalks,y,20,lite,2\n", "second.csv")
    done = shell.run("run", second)
    assert done.returncode == 0, done.stderr
    assert "0 new, 0 existing, 0 changed, 2 cached" in done.stdout
    output = shell.home / "output"
    assert manifest(output / "second") == ["x", "y"]
    shutil.rmtree(output / "first")
    assert {path.name for path in (output / "second").glob("*.npz")} == {"x_s0.npz", "y_s0.npz"}
    # A resubmit of the first batch makes its lost files again.
    again = shell.run("run", first)
    assert again.returncode == 0, again.stderr
    assert "2 jobs queued again: files were missing" in again.stderr
    assert {path.name for path in (output / "first").glob("*.npz")} == {"a_s0.npz", "b_s0.npz"}
    assert manifest(output / "first") == ["a", "b"]


def test_changed_rows_end_in_exit_code_one_and_a_last_word(shell: Any) -> None:
    path = write(shell, "walks,a,20,lite,2\n", "night.csv")
    assert shell.run("run", path).returncode == 0
    write(shell, "jumps,a,20,lite,2\n", "night.csv")
    done = shell.run("run", path)
    assert done.returncode == 1
    assert "1 succeeded" in done.stdout
    assert "(a seed 0)" in done.stderr.splitlines()[-1]
    assert "another --batch name" in done.stderr.splitlines()[-1]
    told = "warning: 1 job is unchanged: batch night asked for something else before"
    assert done.stderr.count(told) == 1
