"""`hymo preview`: its pictures and messages."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hymotion.picture import Lettering
from tests.cli.calling import Hymo
from worker.cli import preview as command

pytestmark = pytest.mark.usefixtures("made_night")


def test_a_batch_gets_strips_animations_and_a_sheet(hymo_: Hymo, tmp_path: Path) -> None:
    done = hymo_("preview", "night")
    folder = tmp_path / "out" / "night" / "preview"
    names = ["wave_s0.png", "wave_s0.gif", "walk_s0.png", "walk_s0.gif", "night_sheet.png"]
    assert done.stdout.split() == [str(folder / name) for name in names]
    assert sorted(path.name for path in folder.iterdir()) == sorted(names)
    assert done.exit_code == 1
    assert "job 3 (night/jump_s0): has bvh and no .npz" in done.stderr
    assert done.stderr.splitlines()[-1] == (
        "5 files written, 1 motion could not be read, 2 jobs of the batch not done"
    )
    for name in names:
        with Image.open(folder / name) as image:
            assert image.format == name[-3:].upper()
            assert getattr(image, "n_frames", 1) == (20 if name.endswith("gif") else 1)
            # There is a figure: both colours of limbs.
            red, _, blue = np.asarray(image.convert("RGB")).astype(int).transpose(2, 0, 1)
            assert (red > blue + 90).sum() > 200
            assert (blue > red + 70).sum() > 200


@pytest.mark.parametrize(
    ("flag", "name"),
    [("--strip", "wave_s0.png"), ("--gif", "wave_s0.gif"), ("--sheet", "night_sheet.png")],
)
def test_only_what_was_asked_for(hymo_: Hymo, tmp_path: Path, flag: str, name: str) -> None:
    out = tmp_path / "pictures"
    done = hymo_("preview", "1", flag, "--out", str(out))
    assert done.exit_code == 0
    assert [path.name for path in out.iterdir()] == [name]
    assert done.stdout.split() == [str(out / name)]


def test_one_job_needs_no_sheet(hymo_: Hymo, tmp_path: Path) -> None:
    done = hymo_("preview", "night/wave", "--out", str(tmp_path / "x"))
    assert sorted(path.name for path in (tmp_path / "x").iterdir()) == [
        "wave_s0.gif",
        "wave_s0.png",
    ]
    assert done.exit_code == 0


def test_a_limit_is_said(hymo_: Hymo, tmp_path: Path) -> None:
    done = hymo_("preview", "night", "--strip", "--limit", "1")
    assert done.exit_code == 0
    assert "there are 3 motions, and --limit 1 draws the first; --limit 3 draws all" in done.stderr
    assert len(done.stdout.split()) == 1


def test_json(hymo_: Hymo, tmp_path: Path) -> None:
    done = hymo_("preview", "1", "3", "--strip", "--sheet", "--json")
    document = json.loads(done.stdout)
    folder = tmp_path / "out" / "night" / "preview"
    assert document["schema"] == "hymo.preview/1"
    assert document["files"] == [
        {"job": 1, "kind": "strip", "path": str(folder / "wave_s0.png")},
        {"batch": "night", "kind": "sheet", "path": str(folder / "night_sheet.png")},
    ]
    assert [problem["job"] for problem in document["problems"]] == [3]


def test_a_font_is_named_where_one_is_missing(
    hymo_: Hymo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hymotion.picture.lettering.Lettering.__init__.__defaults__", (None, ()))
    done = hymo_("preview", "2", "--strip")
    assert done.exit_code == 0
    assert "no installed font has 一 个 人 前 向 走: give one that does with --font" in done.stderr
    text = tmp_path / "text.ttf"
    text.write_text("no font")
    done = hymo_("preview", "2", "--font", str(text))
    assert done.exit_code == 2
    assert "is not a font" in done.stderr


def test_pictures_never_go_among_the_motions(hymo_: Hymo, tmp_path: Path) -> None:
    folder = tmp_path / "out" / "night"
    (folder / "manifest.jsonl").touch()
    before = sorted(folder.iterdir())
    done = hymo_("preview", "1", "--out", str(folder))
    assert done.exit_code == 1
    assert "choose another folder with --out" in done.stderr
    assert sorted(folder.iterdir()) == before


def test_a_script_without_a_font_is_named_by_some_of_its_characters(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lettering = Lettering()
    lettering.missing.update(map(chr, range(0x4E00, 0x4E00 + 500)))
    command.say_missing(lettering)
    said = capsys.readouterr().err
    assert "一 丁" in said
    assert "and 480 more characters: give one" in said
    assert len(said) < 150
