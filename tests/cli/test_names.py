"""Names of other scripts from the file to the motions, and names in another spelling."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from jobs.artifacts.folder import MARK
from jobs.domain.states import State
from jobs.store.store import Store
from tests.cli.calling import Hymo

CAFE = "caf\u00e9"
IDS = ("甲", "walk_ü", CAFE, "шаг.2", "खड़ा")


def decomposed(text: str) -> str:
    return unicodedata.normalize("NFD", text)


def write(folder: Path, name: str) -> Path:
    """A file whose ids are decomposed, as file names of macOS are."""
    rows = "".join(f"{decomposed(name)},a person walks,20,lite,2\n" for name in IDS)
    path = folder / name
    path.write_text("id,prompt,frames,mode,steps\n" + rows, "utf-8")
    return path


@pytest.mark.redis
def test_a_night_of_other_scripts(shell: Any) -> None:
    path = write(shell.home.parent, decomposed("Шаги №1 й.csv"))
    folder = shell.home / "output" / "Шаги-1-й"
    folder.mkdir(parents=True)
    # What a killed attempt left behind.
    left = folder / f".{IDS[0]}_s0.npz.7.part"
    left.touch()
    done = shell.run("run", str(path), "--formats", "npz,bvh")
    assert done.returncode == 0, done.stderr
    stems = {f"{unicodedata.normalize('NFC', name)}_s0" for name in IDS}
    assert {each.name for each in folder.iterdir()} == {
        MARK, "manifest.jsonl", *(f"{stem}.{kind}" for stem in stems for kind in ("npz", "bvh"))
    }  # fmt: skip
    manifest = (folder / "manifest.jsonl").read_text("utf-8")
    lines = [json.loads(line) for line in manifest.splitlines()]
    assert {file["path"] for line in lines for file in line["files"]} == {
        f"{stem}.{kind}" for stem in stems for kind in ("npz", "bvh")
    }
    assert "5 existing" in shell.run("submit", str(path), "--formats", "npz,bvh").stdout
    # A name in another case or normal form is found.
    batch = decomposed("шаги-1-й")
    done = shell.run("show", f"{batch}/{decomposed(CAFE).upper()}", f"{batch}/ШАГ.2_s0", "--json")
    found = json.loads(done.stdout)["jobs"]
    assert [job["custom_id"] for job in found] == [CAFE, "шаг.2"]
    done = shell.call("export", batch, "--format", "glb", "--json")
    assert done.exit_code == 0, done.stderr
    assert {each.stem for each in (folder / "export").iterdir()} == stems
    done = shell.run("preview", f"{batch}/{decomposed('walk_ü')}", "--strip")
    assert done.returncode == 0, done.stderr
    assert [each.stem for each in (folder / "preview").iterdir()] == ["walk_ü_s0"]
    # The same content for another batch is linked under its own names.
    done = shell.run("submit", str(path), "--batch", "второй", "--formats", "npz,bvh", "--json")
    assert json.loads(done.stdout)["cached"] == 5
    assert {each.stem for each in (shell.home / "output" / "второй").glob("*.npz")} == stems


@pytest.fixture
def night(hymo_: Hymo, sqlite_url: str, tmp_path: Path) -> Hymo:
    """A batch `Ночь` with a row for each of `IDS`."""
    path = write(tmp_path, "Ночь.csv")
    assert hymo_("submit", path).exit_code == 0
    return hymo_


def states(sqlite_url: str) -> dict[State, int]:
    with Store.open(sqlite_url) as store:
        return store.batches.counts(store.batches.get("ночь").id)


def test_commands_find_other_spellings(night: Hymo, sqlite_url: str) -> None:
    assert night("cancel", "ночь/WALK_Ü", "ночь/КАФЕ").exit_code == 3
    assert night("cancel", "ночь/WALK_Ü", f"НОЧЬ/{decomposed(CAFE)}_s0").exit_code == 0
    assert states(sqlite_url) == {State.QUEUED: 3, State.CANCELLED: 2}
    assert "queued 2 jobs again" in night("retry", "--batch", "ночь").stdout
    assert "paused Ночь" in night("pause", "НОЧЬ").stdout
    assert "resumed Ночь" in night("resume", "ночь").stdout
    assert len(json.loads(night("history", "--batch", "ночь", "--json").stdout)["jobs"]) == 5


def test_what_is_no_name_is_refused_with_the_rule(hymo_: Hymo, tmp_path: Path) -> None:
    path = tmp_path / "prompts.csv"
    path.write_text(
        "prompt,id\nwalks,a/b\njumps,a\u202eb\nsits,con\nhops,甲\nruns,straße\nspins,STRASSE\n",
        "utf-8",
    )
    done = hymo_("submit", path)
    assert done.exit_code == 2
    assert (
        "prompts.csv:2: id: 'a/b' is not safe as a file name; use 1 to 100 letters" in done.stderr
    )
    assert r"'a\u202eb' is not safe as a file name" in done.stderr
    assert "'con' is a reserved name" in done.stderr
    assert "prompts.csv:5" not in done.stderr
    assert (
        "prompts.csv:7: id: 'STRASSE' with this seed is already the row of line 6, whose id "
        "differs only in case or Unicode form"
    ) in done.stderr
    assert hymo_("submit", path, "--batch", "甲/乙").exit_code == 2


def test_priority(night: Hymo, sqlite_url: str) -> None:
    done = night("priority", "НОЧЬ", "-7")
    assert (done.exit_code, done.stdout) == (0, "5 queued jobs changed to priority -7\n")
    done = night("priority", "ночь/甲", "1000")
    assert done.stdout == "1 queued job changed to priority 1000\n"
    night("cancel", "1", "2")
    done = night("priority", "ночь", "1000", "--json")
    assert json.loads(done.stdout) == {
        "schema": "hymo.priority/1", "priority": 1000, "changed": 3, "same": 0, "running": 0,
        "ended": 2,
    }  # fmt: skip
    done = night("priority", "ночь", "1000")
    assert done.stdout == (
        "0 queued jobs changed to priority 1000, 3 jobs had it already, 2 jobs had already ended "
        "(job 1 cancelled, job 2 cancelled)\n"
    )
    assert night("priority", "3", "0").stdout == "1 queued job changed to priority 0\n"
    with Store.open(sqlite_url) as store:
        jobs = [store.history.job(number) for number in (1, 2, 3, 4)]
    assert [job.priority for job in jobs] == [1000, -7, 0, 1000]
    for words, code in (
        (("нет", "5"), 3), (("99", "5"), 3), (("ночь/нет", "5"), 3), (("ночь", "1001"), 2),
        (("ночь", "high"), 2), (("ночь",), 2),
    ):  # fmt: skip
        assert night("priority", *words).exit_code == code, words
