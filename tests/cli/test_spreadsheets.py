"""`hymo submit` and `hymo run` with the files of spreadsheets: what is said, stored and kept."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

from tests.cli.calling import Hymo
from tests.cli.conftest import Shell

GERMAN = "id;prompt;seconds;Szene\r\nw1;geht, hält an;2,5;Straße\r\n;;;\r\n;hüpft;1,5;\r\n;;;\r\n"


@pytest.fixture
def submit(hymo_: Hymo) -> Hymo:
    return partial(hymo_, "submit")


def _jobs(hymo_: Hymo, batch: str) -> list[dict]:
    done = hymo_("history", "--batch", batch, "--all", "--json", "--sort", "created")
    return sorted(json.loads(done.stdout)["jobs"], key=lambda job: job["id"])


def test_a_german_sheet_in_utf16(hymo_: Hymo, submit: Hymo) -> None:
    Path("nacht.csv").write_bytes(GERMAN.encode("utf-16"))
    done = submit("nacht.csv", "--dry-run")
    assert "nacht.csv is read as semicolons, decimal commas, UTF-16" in done.stderr
    done = submit("nacht.csv")
    assert done.exit_code == 0, done.output
    assert done.stderr.count("is read as") == 1
    found = [(job["custom_id"], job["prompt"], job["frames"]) for job in _jobs(hymo_, "nacht")]
    assert found == [("w1", "geht, hält an", 75), ("3", "hüpft", 45)]
    assert _jobs(hymo_, "nacht")[0]["metadata"] == {"Szene": "Straße"}
    for more in ((), ("--dry-run",)):
        document = json.loads(submit("nacht.csv", "--json", *more).stdout)
        assert document["recognised"] == ["semicolons", "decimal commas", "UTF-16"]


def test_an_ordinary_file_needs_no_word(submit: Hymo) -> None:
    Path("plain.csv").write_text("prompt,id\nwalks,a\n", "utf-8")
    done = submit("plain.csv")
    assert "read as" not in done.stderr
    assert json.loads(submit("plain.csv", "--json").stdout)["recognised"] == []


@pytest.mark.parametrize("encoding", ["windows-1252", "gb18030"])
def test_other_encodings_are_refused_by_name_and_read_when_named(
    hymo_: Hymo, submit: Hymo, encoding: str
) -> None:
    text = {"windows-1252": "Elle s'arrête, fatiguée", "gb18030": "一个人向前走然后停下"}[encoding]
    Path("sheet.csv").write_bytes(f'prompt\n"{text}"\n'.encode(encoding))
    done = submit("sheet.csv")
    assert done.exit_code == 2
    assert encoding in done.stderr.lower()
    assert f"--encoding {encoding}" in done.stderr
    assert submit("sheet.csv", "--encoding", encoding.upper()).exit_code == 0
    assert [job["prompt"] for job in _jobs(hymo_, "sheet")] == [text]
    wrong = submit("sheet.csv", "--encoding", "latin-99")
    assert (wrong.exit_code, "is not an encoding" in wrong.stderr) == (2, True)


def test_rows_left_out_complete_the_batch_once_mended(hymo_: Hymo, submit: Hymo) -> None:
    sheet = 'prompt;seconds;note\nwalks;2,5;a\nhops;99,5;"b;c"\n"runs" fast;1,5;d\n'
    Path("night.csv").write_bytes(sheet.encode("utf-8-sig"))
    done = submit("night.csv", "--skip-invalid")
    assert done.stdout.startswith("batch night: 1 new, 0 existing, 0 changed, 0 cached, 2 invalid")
    path = Path("night.invalid.csv")
    assert path.read_bytes().startswith(b"\xef\xbb\xbf"), "a spreadsheet reads it as UTF-8"
    again = submit(str(path), "--batch", "night")
    assert again.exit_code == 2, "nothing was mended"
    assert ":3: " in again.stderr
    text = path.read_text("utf-8-sig").replace("99,5", "3,5")
    lines = text.splitlines()
    assert lines[2].endswith('"')
    lines[2] = "runs fast;1,5;d;3;4;;"
    path.write_text("\n".join(lines), "utf-8-sig")
    done = submit(str(path), "--batch", "night")
    assert done.stdout.startswith("batch night: 2 new"), done
    found = [
        (job["custom_id"], job["prompt"], job["frames"], job["metadata"])
        for job in _jobs(hymo_, "night")
    ]
    assert found == [
        ("1", "walks", 75, {"note": "a"}), ("2", "hops", 105, {"note": "b;c"}),
        ("3", "runs fast", 45, {"note": "d"}),
    ]  # fmt: skip


def test_a_row_that_reads_differently_now_says_so(submit: Hymo) -> None:
    # What an earlier version read of the second file.
    Path("night.csv").write_text('id,prompt\nw1,"""A person walks"""\nw2,hops\n')
    assert submit("night.csv").exit_code == 0
    Path("night.csv").write_text('id,prompt\nw1, "A person walks"\nw2,hops\n')
    done = submit("night.csv")
    assert "0 new, 1 existing, 1 changed" in done.stdout
    assert "1 row may read differently than in earlier versions" in done.stderr
    Path("night.csv").write_text("id,prompt\nw1,A person runs\nw2,hops\n")
    assert "earlier versions" not in submit("night.csv").stderr


def test_momask_is_told_how_to_convert(submit: Hymo) -> None:
    Path("texts.txt").write_text("a man walks.#132\nhe hops#60\n")
    assert "MoMask, which counts 20, multiply them by 1.5 first" in submit("texts.txt").stderr


def test_a_run_reads_the_same(shell: Shell) -> None:
    path = shell.home.parent / "nacht.tsv"
    path.write_bytes("prompt\tseconds\nElle s'arrête, fatiguée\t0,7\n".encode("cp1252"))
    assert shell.run("run", str(path)).returncode == 2
    done = shell.run("run", str(path), "--encoding", "cp1252", "--json")
    assert done.returncode == 0, done
    assert "nacht.tsv is read as tabs, decimal commas" in done.stderr
    assert json.loads(done.stdout)["recognised"] == ["tabs", "decimal commas"]
