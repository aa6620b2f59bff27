"""`hymo doctor`: findings about settings, folders and the database; it leaves no files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


def findings(shell: Any, **environ: str) -> tuple[int, dict[str, dict[str, str]]]:
    shell.environ = environ
    done = shell.call("doctor", "--json")
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, {each["check"]: each for each in json.loads(done.stdout)["findings"]}


def test_a_file_in_the_way_of_a_folder_is_bad(shell: Any) -> None:
    file: Path = shell.home.parent / "file"
    file.write_text("no folder")
    code, found = findings(shell, HYMO_OUTPUT=str(file / "deep" / "motions"))
    assert code == 1
    assert found["output"]["health"] == "bad"
    assert found["output"]["found"] == f"{file} is not a folder"
    assert "HYMO_OUTPUT" in found["output"]["mend"]
    assert found["home"]["health"] == "ok"


@pytest.mark.skipif(
    not Path("/proc/self").is_dir(), reason="needs a folder that not even root writes"
)
def test_a_folder_is_really_written_in(shell: Any) -> None:
    code, found = findings(shell, HYMO_OUTPUT="/proc/self")
    assert code == 1
    assert found["output"]["health"] == "bad"
    assert "/proc/self cannot be written" in found["output"]["found"]


def test_nothing_is_left_in_the_folders_that_were_probed(shell: Any) -> None:
    motions: Path = shell.home.parent / "motions"
    motions.mkdir()
    code, found = findings(shell, HYMO_OUTPUT=str(motions))
    assert (code, found["output"]["health"]) == (0, "ok")
    assert list(motions.iterdir()) == []
    assert [path.name for path in shell.home.parent.iterdir()] == ["motions"]


def test_a_database_that_is_not_there_yet_is_not_made(shell: Any) -> None:
    file: Path = shell.home.parent / "elsewhere" / "jobs.db"
    code, found = findings(shell, HYMO_DATABASE_URL=f"sqlite:///{file}")
    assert code == 0
    assert found["database"]["health"] == "ok"
    assert found["database"]["found"] == f"sqlite:///{file} (created on first use)"
    assert found["workers"]["found"] == "none is live"
    assert not file.parent.exists()


def test_a_database_that_cannot_be_made_is_bad(shell: Any) -> None:
    file: Path = shell.home.parent / "file"
    file.write_text("no folder")
    code, found = findings(shell, HYMO_DATABASE_URL=f"sqlite:///{file / 'jobs.db'}")
    assert (code, found["database"]["health"]) == (1, "bad")
    assert "is not a folder" in found["database"]["found"]


def test_a_misspelt_setting_is_a_warning(shell: Any) -> None:
    code, found = findings(shell, HYMO_MAX_ATEMPTS="5", HYMO_TRACEBACK="1")
    assert code == 0
    assert found["settings"]["health"] == "warning"
    assert found["settings"]["found"] == "HYMO_MAX_ATEMPTS is not a setting and has no effect"
    assert found["settings"]["mend"] == "did you mean HYMO_MAX_ATTEMPTS?"


def test_settings_that_do_not_go_together_stop_every_command(shell: Any) -> None:
    shell.environ = {"HYMO_LEASE": "10"}
    done = shell.run("doctor")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "HYMO_RENEW='15': must be at most a third of HYMO_LEASE (10)" in done.stderr
