"""`hymo export`: the files it writes, and its messages about unreadable motions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bvh import Bvh
from sqlalchemy import text

from hymotion.export import FORMATS, JOINT_NAMES
from hymotion.export.options import FRAME_RATES, UNITS, UPS
from jobs.domain import spec
from jobs.store.store import Store
from tests.cli.calling import Hymo
from tests.cli.made import FRAMES, night
from worker.cli import export as command

pytestmark = pytest.mark.usefixtures("made_night")


def test_a_job_in_every_format_with_every_option(hymo_: Hymo, tmp_path: Path) -> None:
    out = tmp_path / "ex"
    done = hymo_(
        "export", "1", "--format", "bvh,glb,npz", "--fps", "60", "--in-place", "--up", "z",
        "--scale", "m", "--names", "hik", "--out", str(out),
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert done.stdout.split() == [str(out / f"wave_s0.{name}") for name in ("bvh", "glb", "npz")]
    assert "3 files written" in done.stderr
    assert "glTF is defined in metres with Y up" in done.stderr
    bvh = Bvh((out / "wave_s0.bvh").read_text())
    assert bvh.nframes == 2 * FRAMES - 1
    assert sorted(bvh.get_joints_names()) == sorted(JOINT_NAMES["hik"])
    assert bvh.joint_offset("LeftLeg")[2] == pytest.approx(-0.417)
    with np.load(out / "wave_s0.npz") as file:
        assert file["up"] == "z"
        assert file["prompt"] == "a person waves with the left hand"
    assert sorted(path.name for path in out.iterdir()) == [
        "wave_s0.bvh", "wave_s0.glb", "wave_s0.npz",
    ]  # fmt: skip


def test_a_batch_beside_its_motions_all_but_what_cannot_be_read(
    hymo_: Hymo, tmp_path: Path
) -> None:
    done = hymo_("export", "night", "--format", "npz")
    folder = tmp_path / "out" / "night"
    assert done.stdout.split() == [str(folder / "export" / f"{n}_s0.npz") for n in ("wave", "walk")]
    assert done.exit_code == 1
    assert "job 3 (night/jump_s0): has bvh and no .npz to read the motion from" in done.stderr
    assert done.stderr.splitlines()[-1] == (
        "2 files written, 1 motion could not be read, 2 jobs of the batch not done"
    )
    # As it was made: the same bytes.
    for name in ("wave_s0.npz", "walk_s0.npz"):
        assert (folder / "export" / name).read_bytes() == (folder / name).read_bytes()


def test_json(hymo_: Hymo, tmp_path: Path) -> None:
    done = hymo_("export", "2", "3", "night/walk", "--format", "glb", "--json")
    document = json.loads(done.stdout)
    path = tmp_path / "out" / "night" / "export" / "walk_s0.glb"
    assert document["schema"] == "hymo.export/1"
    assert document["files"] == [{"job": 2, "format": "glb", "path": str(path)}]
    assert [problem["job"] for problem in document["problems"]] == [3]
    assert path.read_bytes()[:4] == b"glTF"
    assert done.exit_code == 1


def test_a_file_that_is_gone_or_changed_is_named_with_the_mend(hymo_: Hymo, tmp_path: Path) -> None:
    folder = tmp_path / "out" / "night"
    (folder / "wave_s0.npz").unlink()
    content = bytearray((folder / "walk_s0.npz").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "walk_s0.npz").write_bytes(content)
    done = hymo_("export", "1", "2", "--format", "bvh")
    assert done.exit_code == 1
    assert done.stdout == ""
    gone, changed, _ = done.stderr.splitlines()
    assert f"job 1 (night/wave_s0): {folder / 'wave_s0.npz'}: is missing" in gone
    assert "submit its prompt file again" in gone
    assert f"job 2 (night/walk_s0): {folder / 'walk_s0.npz'}: cannot be read, or was" in changed
    assert not (folder / "export").exists()


@pytest.mark.parametrize(
    ("job", "says"),
    [("4", "is failed, there is no motion yet; `hymo show 4`"),
     ("5", "is queued, there is no motion yet; `hymo watch night`")],
)  # fmt: skip
def test_a_job_that_is_not_done_says_what_to_do(hymo_: Hymo, job: str, says: str) -> None:
    done = hymo_("export", job)
    assert done.exit_code == 1
    assert says in done.stderr


def test_motions_of_the_queue_are_never_written_over(hymo_: Hymo, tmp_path: Path) -> None:
    folder = tmp_path / "out" / "night"
    before = (folder / "wave_s0.npz").read_bytes()
    words = ("export", "1", "--format", "npz", "--fps", "60", "--out", str(folder))
    done = hymo_(*words)
    assert done.exit_code == 1
    assert "choose another folder with --out" in done.stderr
    # Another batch's folder is known by its manifest.
    other = tmp_path / "other"
    other.mkdir()
    (other / "manifest.jsonl").touch()
    assert hymo_(*words[:-1], str(other)).exit_code == 1
    assert (folder / "wave_s0.npz").read_bytes() == before
    assert [path.name for path in other.iterdir()] == ["manifest.jsonl"]


def test_a_batch_named_in_several_ways_is_written_once(hymo_: Hymo, tmp_path: Path) -> None:
    out = tmp_path / "once"
    names = ("night", "1", "night/wave", "night/")
    done = hymo_("export", *names, "--format", "bvh", "--out", str(out))
    assert done.stdout.split() == [str(out / f"{name}_s0.bvh") for name in ("wave", "walk")]
    assert "2 files written, 1 motion could not be read, 2 jobs of the batch" in done.stderr
    # There are three that are done.
    assert "--limit" not in hymo_("preview", *names, "--sheet", "--limit", "3").stderr
    more = hymo_("preview", *names, "5", "--sheet", "--limit", "3").stderr
    assert "there are 4 motions" in more


def test_files_are_written_although_nobody_reads_their_names(
    shell: Any, sqlite_url: str, tmp_path: Path
) -> None:
    out = tmp_path / "unread"
    shell.environ = {"HYMO_DATABASE_URL": sqlite_url}
    process = shell.start("export", "1", "2", "--out", str(out))
    process.stdout.close()
    assert process.stderr.read() == "4 files written\n"
    assert process.wait() == 0
    assert len(list(out.iterdir())) == 4


def test_jobs_of_one_name_need_a_folder_each(hymo_: Hymo, sqlite_url: str, tmp_path: Path) -> None:
    with night(sqlite_url, tmp_path / "day", batch="day"):
        together = hymo_("export", "1", "day/wave", "--format", "bvh", "--out", str(tmp_path / "x"))
        assert together.exit_code == 1
        assert "is the file name of both job 1 and job 6" in together.stderr
        apart = hymo_("export", "1", "day/wave", "--format", "bvh")
        assert apart.exit_code == 0
        assert len(apart.stdout.split()) == 2


def test_words_that_mean_nothing(hymo_: Hymo, made_night: Store) -> None:
    assert hymo_("export", "week").exit_code == 3
    assert hymo_("export", "1", "--fps", "25").exit_code == 2
    assert hymo_("export", "1", "--format", "fbx").exit_code == 2
    made_night.batches.ensure("empty", source="x", output="/out")
    done = hymo_("export", "empty")
    assert done.exit_code == 1
    assert "`hymo watch empty` waits for it" in done.stderr


def test_the_command_knows_what_the_library_knows() -> None:
    assert tuple(JOINT_NAMES) == command.NAMES
    assert tuple(map(str, FRAME_RATES)) == command.RATES
    assert set(spec.FORMATS) == set(FORMATS)
    assert UPS == ("y", "z")
    assert set(UNITS) == {"cm", "m"}


@pytest.mark.parametrize("command", ["export", "preview"])
def test_a_row_of_another_hand_writes_nothing_elsewhere(
    command: str, hymo_: Hymo, made_night: Store, tmp_path: Path
) -> None:
    out = tmp_path / "ex"
    with made_night.engine.begin() as connection:
        connection.execute(text("UPDATE jobs SET custom_id = '../../victim' WHERE id = 1"))
    done = hymo_(command, "1", "--out", str(out))
    assert done.exit_code == 1
    assert "name '../../victim_s0.bvh' in the database is not" in done.stderr.replace("png", "bvh")
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.rglob("victim*"))


@pytest.mark.parametrize(
    "words", [("export", "1"), ("preview", "1", "--strip"), ("preview", "1", "--gif"),
              ("preview", "night", "--sheet")],
)  # fmt: skip
def test_a_link_at_the_name_of_a_temporary_file_is_not_followed(
    words: tuple[str, ...], hymo_: Hymo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can guess the name; the test does so."""
    victim = tmp_path / "victim"
    victim.write_text("theirs")

    def planted(final: Path) -> Path:
        part = final.with_name(".guessed.part")
        part.symlink_to(victim)
        return part

    monkeypatch.setattr("jobs.artifacts.atomic.temporary_path", planted)
    done = hymo_(*words)
    assert done.exit_code == 1
    assert "File exists" in done.stderr
    assert victim.read_text() == "theirs"


def test_a_link_to_elsewhere_is_not_followed(hymo_: Hymo, tmp_path: Path) -> None:
    (tmp_path / "victim").mkdir()
    (tmp_path / "out" / "night" / "export").symlink_to(tmp_path / "victim")
    done = hymo_("export", "1")
    assert done.exit_code == 1
    assert "reached through a link: name one with --out" in done.stderr
    assert list((tmp_path / "victim").iterdir()) == []
