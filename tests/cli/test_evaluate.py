"""`hymo evaluate`: a small evaluation of a model, and motions of batches, folders and files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from hymotion.export import read_npz, write_npz
from hymotion.export.retime import retimed
from hymotion.metrics import load_baseline, measure
from tests.cli.calling import Hymo

pytestmark = pytest.mark.usefixtures("made_night")


def test_a_model_in_small(hymo_: Hymo) -> None:
    words = ("evaluate", "--model", "tiny", "--mode", "lite", "--steps", "1", "--quick")
    done = hymo_(*words, "--actions", "kick,wave,run,spin_kick", "--json")
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert report["schema"] == "hymo.evaluate/1"
    assert (report["mode"], report["steps"], report["seeds"]) == ("lite", 1, 2)
    assert {one["action"] for one in report["actions"]} == {"kick", "wave", "run", "spin_kick"}
    assert report["top1"]["count"] == 8
    assert report["failed"] == 0
    assert report["reference"] == load_baseline().reference
    assert report["distance"]["value"] > report["real"]["real_distance"]["high"]
    assert "8 of 8 motions" in done.stderr
    table = hymo_(*words, "--actions", "wave")
    assert table.exit_code == 0, table.output
    assert max(map(len, table.stdout.splitlines())) <= 80
    assert "real held-out clips" in table.stdout


def test_a_batch_and_what_cannot_be_read(hymo_: Hymo, tmp_path: Path) -> None:
    done = hymo_("evaluate", "night", "--json")
    assert done.exit_code == 1, "one job of the batch has no .npz"
    report = json.loads(done.stdout)
    assert report["schema"] == "hymo.measures/1"
    assert [one["name"] for one in report["motions"]] == ["night/wave_s0", "night/walk_s0"]
    [problem] = report["problems"]
    assert "no .npz" in problem
    assert problem in done.stderr
    motion = read_npz(tmp_path / "out" / "night" / "walk_s0.npz").motion
    assert report["motions"][1]["quality"]["jitter"] == pytest.approx(measure(motion).jitter)
    assert report["distance"] is None, "two motions are too few"


def test_a_folder_and_a_file_beside_other_runs(hymo_: Hymo, tmp_path: Path) -> None:
    other = tmp_path / "exact" / "night"
    shutil.copytree(tmp_path / "out" / "night", other)
    (other / "walk_s0.npz").unlink()
    done = hymo_("evaluate", "out", "--paired", "exact", "--json")
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert [one["name"] for one in report["motions"]] == ["night/walk_s0", "night/wave_s0"]
    assert report["unpaired"] == ["night/walk_s0"]
    assert report["motions"][1]["paired"]["joints_max"] == 0
    # Of a batch and of a single file the names are others, the files' the same.
    for name in ("night/wave", "out/night/wave_s0.npz"):
        table = hymo_("evaluate", name, "--paired", "exact/night")
        assert table.exit_code == 0, table.output
        assert "paired     1 motion:" in table.stdout


def test_a_damaged_file_is_named_and_the_others_are_measured(hymo_: Hymo, tmp_path: Path) -> None:
    folder = tmp_path / "out" / "night"
    (folder / "broken.npz").write_bytes(b"PK nothing")
    done = hymo_("evaluate", str(folder))
    assert done.exit_code == 1
    assert "broken.npz" in done.stderr
    assert "motions    2" in done.stdout
    alone = hymo_("evaluate", str(folder / "broken.npz"))
    assert alone.exit_code == 1
    assert "broken.npz" in alone.stderr
    assert "no motions to measure" in alone.stderr


def test_a_partner_that_is_damaged_or_another_run_is_named(hymo_: Hymo, tmp_path: Path) -> None:
    other = tmp_path / "exact"
    shutil.copytree(tmp_path / "out" / "night", other)
    (other / "walk_s0.npz").write_bytes(b"PK nothing")
    (tmp_path / "out" / "folder.npz").mkdir()
    done = hymo_("evaluate", "out", "--paired", "exact", "--json")
    assert done.exit_code == 1
    report = json.loads(done.stdout)
    [problem] = report["problems"]
    assert "exact/walk_s0.npz" in problem
    assert report["unpaired"] == ["night/walk_s0"]
    assert report["motions"][1]["paired"]["joints_max"] == 0
    # A shorter run of the same name.
    recording = read_npz(tmp_path / "out" / "night" / "wave_s0.npz")
    shorter = retimed(recording.motion, 24)
    with (other / "walk_s0.npz").open("wb") as file:
        write_npz(shorter, file, metadata=recording.metadata)
    done = hymo_("evaluate", "out", "--paired", "exact", "--json")
    assert done.exit_code == 1
    [problem] = json.loads(done.stdout)["problems"]
    assert problem.startswith("night/walk_s0: the runs differ")


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ((), 2, "name motions, or a model"),
        (("night", "--model", "tiny"), 2, "name motions, or a model"),
        (("--model", "tiny", "--paired", "."), 2, "--paired compares motions"),
        (("night", "--mode", "lite"), 2, "--mode is of models, not of motions"),
        (("night", "--quick"), 2, "--quick is of models"),
        (("--model-dir", "out", "--mode", "full"), 2, "--mode is of --model: a folder"),
        (("--model", "tiny", "--quick", "--seeds", "3"), 2, "--seeds and --quick"),
        (("--model", ""), 1, "no bundled model"),
        (("--model", "huge"), 1, "no bundled model"),
        (("--model", "tiny", "--actions", "flying"), 1, "never taught flying"),
        (("--model-dir", "out"), 1, "config.yml"),
        (("nowhere",), 3, "nowhere"),
        (("h2",), 1, "no motions"),
    ],
)
def test_what_makes_no_sense_is_refused(
    hymo_: Hymo, tmp_path: Path, words: tuple[str, ...], code: int, says: str
) -> None:
    (tmp_path / "h2").mkdir()
    done = hymo_("evaluate", *words)
    assert done.exit_code == code, done.output
    assert says in done.stderr


def test_a_type_that_the_device_lacks_is_said_and_no_other_is_taken(hymo_: Hymo) -> None:
    done = hymo_("evaluate", "--model", "tiny", "--quick", "--dtype", "tf32")
    assert done.exit_code == 1, done.output
    assert "TensorFloat-32" in done.stderr
    assert done.stdout == ""
