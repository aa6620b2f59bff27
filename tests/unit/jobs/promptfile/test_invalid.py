"""The file that --skip-invalid writes can be fixed and submitted."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from jobs.promptfile.defaults import Defaults
from jobs.promptfile.invalid import earlier_paths, invalid_path, invalid_rows
from jobs.promptfile.problem import PromptFileError
from jobs.promptfile.row import Row
from jobs.promptfile.source import open_source
from jobs.promptfile.survey import read_rows, survey
from tests.faults.mounts import Disk


def skip(source) -> Path:
    with invalid_rows(source) as rows:
        survey(source, Defaults(), rejected=rows.write)
    return invalid_path(source)


def test_csv_keeps_its_columns_and_names_line_and_reason(opened) -> None:
    content = b'prompt,frames,scene\nwalks,60,a\n"jumps, high",1,b\nge\xfce,60,c\na,b,c,d\n'
    with opened(content) as source:
        path = skip(source)
    assert path.name == "prompts.invalid.csv"
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as stream:
        header, jumps, byte, long = csv.reader(stream)
    assert header == ["prompt", "frames", "scene", "id", "invalid_line", "invalid_reason"]
    assert jumps[:5] == ["jumps, high", "1", "b", "2", "3"]
    assert jumps[5] == "frames: '1' is out of range; use 20 to 360"
    # The byte that is not UTF-8 is unchanged.
    assert b"ge\xfce" in path.read_bytes()
    assert byte[3:5] == ["3", "4"]
    assert long[:5] + long[6:] == ["a", "b", "c", "4", "5", "d"]


def test_a_mended_row_is_the_same_row_of_the_batch(opened) -> None:
    with opened("prompt,frames\nwalks,60\njumps,1\n") as source:
        path = skip(source)
    mended = path.read_text().replace("jumps,1,", "jumps,70,")
    path.write_text(mended)
    with open_source(str(path), format_name=None, stdin=io.BytesIO()) as source:
        (row,) = read_rows(source, Defaults())
    assert isinstance(row, Row)
    assert (row.spec.custom_id, row.spec.frames, dict(row.spec.metadata)) == ("2", 70, {})


def test_jsonl_keeps_the_object_or_the_text(opened) -> None:
    lines = ['{"prompt": "walks"}', '{"prompt": "x\\ud800", "id": 0}', "{oops", '{"frames": 1}']
    with opened("\n".join(lines), "jsonl") as source:
        path = skip(source)
    assert path.name == "prompts.invalid.jsonl"
    surrogate, oops, frames = map(json.loads, path.read_text().splitlines())
    assert (surrogate["prompt"], surrogate["id"]) == ("x\ud800", 0)
    assert (oops["invalid_text"], oops["id"], oops["invalid_line"]) == ("{oops", "3", 3)
    assert (frames["frames"], frames["id"]) == (1, "4")
    assert " | " in frames["invalid_reason"]


@pytest.mark.parametrize(
    ("format_name", "content"),
    [("txt", "walks\njumps#1#b\n"), ("json", '{"k": ["walks", "jumps#1#b"]}')],
)
def test_upstreams_formats_become_csv(opened, format_name: str, content: str) -> None:
    with opened(content, format_name) as source:
        path = skip(source)
    (row,) = csv.DictReader(path.read_text().splitlines())
    assert (row["prompt"], row["frames"], row["id"]) == ("jumps", "1", "b")
    assert row.get("category") == ("k" if format_name == "json" else None)


def test_nothing_is_left_behind_when_all_is_well_or_the_file_is_broken(
    opened, tmp_path: Path
) -> None:
    with opened("prompt\nwalks\n") as source:
        skip(source)
    with opened('prompt,frames\nwalks,1\n"walks\n') as source, pytest.raises(PromptFileError):
        skip(source)
    assert [path.name for path in tmp_path.iterdir()] == ["prompts.csv"]


def test_standard_inputs_rows_go_to_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    stdin = io.BytesIO(b"prompt,frames\nwalks,1\n")
    with open_source("-", format_name=None, stdin=stdin) as source:
        assert skip(source) == tmp_path / f"{source.stem}.invalid.csv"
        assert (tmp_path / f"{source.stem}.invalid.csv").exists()


def test_rows_that_were_fixed_but_not_submitted_are_kept(opened) -> None:
    content = b"prompt,frames\nwalks,1\n"
    with opened(content) as source:
        path = skip(source)
        written = path.read_text()
        skip(source)
        assert len(list(earlier_paths(path))) == 1  # nothing was fixed in it
        for frames in ("60", "90", "120"):
            path.write_text(written.replace("walks,1", f"walks,{frames}"))
            skip(source)
            assert path.read_text() == written
    *kept, _ = earlier_paths(path)
    assert [each.name for each in kept] == [f"{path.name}.bak{n}" for n in ("", "2", "3")]
    assert ["walks,60" in kept[0].read_text(), "walks,120" in kept[2].read_text()] == [True, True]


def test_a_read_only_folder_is_named_as_such(tmp_path: Path) -> None:
    disk = Disk(tmp_path / "disk")
    disk.mount()
    try:
        table = disk.path / "prompts.csv"
        table.write_text("prompt,frames\nwalks,1\n")
        disk.remount("ro")
        with (
            open_source(str(table), format_name=None, stdin=io.BytesIO()) as source,
            pytest.raises(PromptFileError, match="make the folder writable"),
        ):
            skip(source)
    finally:
        disk.detach()
