"""Upgrade of a home whose batches have the names that an older version gave to files of other
scripts.

tests/data/home-names-0005 is that home: `batch`, made from 走路.csv, with two rows done and two
queued whose ids differ in case alone, and `1`, made from `Шаги 1.csv`, with a queued row.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.cli.calling import call

DATA = Path(__file__).parents[1] / "data" / "home-names-0005"
#: The files as they were submitted, with `--model null --mode full`.
FILES = {
    "走路.csv": "id,prompt,seed,priority\na,a person walks,0,0\nb,a person turns around,0,3\n"
    "Wave,a person waves,0,0\nwave,a person waves,1,5\n",
    "Шаги 1.csv": "prompt,frames\na person jumps,20\n",
}
WALK, STEPS = FILES
NULL = ("--model", "null", "--mode", "full")


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the files, beside the upgraded home."""
    folder, home = tmp_path / "files", tmp_path / "home"
    folder.mkdir()
    home.mkdir()
    for name, content in FILES.items():
        (folder / name).write_text(content, "utf-8")
    dump = (DATA / "hymo.sql").read_text("utf-8")
    with closing(sqlite3.connect(home / "hymo.db")) as database:
        database.executescript(dump.replace("@HOME@", str(home)).replace("@FILES@", str(folder)))
    for name, value in (
        ("HYMO_HOME", str(home)), ("HYMO_DATABASE_URL", ""), ("HYMO_BROKER_URL", ""),
        ("HYMO_OUTPUT", ""),
    ):  # fmt: skip
        monkeypatch.setenv(name, value)
    assert call("db", "upgrade").exit_code == 0
    return folder


def submitted(*words: object) -> dict[str, Any]:
    done = call("submit", *words, *NULL, "--json")
    assert done.exit_code in {0, 1}, done.output
    return dict(json.loads(done.stdout), exit=done.exit_code)


def test_the_files_go_on_in_their_batches_row_by_row(files: Path) -> None:
    found = submitted(files / WALK)
    assert found.items() >= {"exit": 0, "batch": "batch", "existing": 4, "new": 0}.items()
    assert submitted(files / STEPS).items() >= {"batch": "1", "existing": 1, "new": 0}.items()
    # Both spellings go on with further seeds, and a third one is refused.
    (files / WALK).write_text(FILES[WALK] + "wave,turns,2,0\nWave,turns,3,0\nWAVE,turns,4,0\n")
    assert submitted(files / WALK).items() >= {"exit": 1, "new": 2, "respelt": 1}.items()


def test_a_new_file_is_told_from_the_old_batch_of_its_former_name(files: Path) -> None:
    other = files / "跳跃.csv"
    other.write_text("prompt\na person hops\n", "utf-8")
    assert submitted(other).items() >= {"exit": 0, "batch": "跳跃", "new": 1}.items()


def test_an_old_row_differs_in_its_priority_alone(files: Path) -> None:
    # Of a queued row, of a finished one, and of one that asks for another motion as well.
    new = FILES[WALK].replace("1,5", "1,9").replace("around,0,3", "around,0,4")
    (files / WALK).write_text(new, "utf-8")
    found = submitted(files / WALK)
    assert found.items() >= {"exit": 0, "existing": 4, "changed": 0, "reprioritised": 1}.items()
    jobs = json.loads(call("history", "--json").stdout)["jobs"]
    assert {job["custom_id"]: job["priority"] for job in jobs if job["batch"] == "batch"} == {
        "a": 0, "b": 3, "Wave": 0, "wave": 9
    }  # fmt: skip
    (files / WALK).write_text(new.replace("waves,0,0", "bows,0,1"), "utf-8")
    assert submitted(files / WALK).items() >= {"exit": 1, "changed": 1, "reprioritised": 0}.items()
    found = submitted(files / WALK, "--update")
    assert found.items() >= {"exit": 0, "changed": 0, "updated": 1}.items()


@pytest.mark.slow
def test_a_half_done_night_ends(files: Path) -> None:
    for name, batch in ((WALK, "batch"), (STEPS, "1")):
        done = call("run", files / name, *NULL, "--memory", "32", "--models", "null")
        assert done.exit_code == 0, done.output
        assert f"note: batch {batch} was made from this file and goes on" in done.stderr
    jobs = json.loads(call("history", "--json").stdout)["jobs"]
    assert [job["state"] for job in jobs] == ["succeeded"] * 5
