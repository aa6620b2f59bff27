"""The mark in a batch's folder: who lays it, who sees it, and who may use what was made."""

from __future__ import annotations

import errno
import json
import os
import stat
import threading
from pathlib import Path

import pytest

from jobs.artifacts.folder import MARK, OTHER, SILENT, BoundedLook, Sight, look, probe
from tests.waiting import HUNG, until


@pytest.fixture
def output(tmp_path: Path) -> Path:
    folder = tmp_path / "output"
    folder.mkdir()
    return folder


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_first_look_at_an_existing_output_folder_lays_the_mark(output: Path) -> None:
    folder = output / "night"
    seen = look(folder, "")
    assert seen.fault is None
    assert seen.token is not None
    assert json.loads((folder / MARK).read_text())["token"] == seen.token
    # Whoever comes later finds it, whether or not the token is in the row by then.
    assert look(folder, "") == look(folder, seen.token) == seen


def test_nothing_is_laid_where_there_is_no_output_folder(tmp_path: Path) -> None:
    for token, again in (("", False), ("t", False), ("t", True)):
        seen = look(tmp_path / "share" / "night", token, again=again)
        assert (seen.token, seen.fault) == (None, "is not mounted")
    assert list(tmp_path.iterdir()) == []


def test_a_worker_never_lays_a_missing_mark_again(output: Path) -> None:
    assert look(output / "night", "t").fault == "is not mounted"
    assert list(output.iterdir()) == []
    assert look(output / "night", "t", again=True).token == "t"
    assert look(output / "night", "t").fault is None


def test_the_folder_of_another_batch_is_left_alone(output: Path) -> None:
    look(output / "night", "theirs", again=True)
    assert look(output / "night", "ours").fault == OTHER
    assert look(output / "night", "ours", again=True).fault == OTHER
    assert look(output / "night", "theirs").fault is None


def test_old_batches_are_not_checked(tmp_path: Path) -> None:
    assert look(tmp_path / "nowhere" / "night", None).fault is None


def test_a_file_in_place_of_the_folder_is_no_folder(output: Path) -> None:
    (output / "night").write_text("in the way")
    assert look(output / "night", "", again=True).fault == "is not a folder"


def test_a_damaged_mark_names_the_mend(output: Path) -> None:
    (output / "night").mkdir()
    (output / "night" / MARK).write_text("")
    for again in (False, True):
        fault = look(output / "night", "", again=again).fault
        assert fault == f"has a damaged mark (delete {MARK} there and submit the file again)"


def test_a_look_that_hangs_is_given_up_and_not_repeated(output: Path) -> None:
    answer, begun = threading.Event(), []

    def hangs(folder: Path, _token: str, **_: bool) -> Sight:
        begun.append(folder.name)
        answer.wait(HUNG)
        return Sight("t")

    bounded = BoundedLook(hangs, patience=0.05)
    assert bounded(output / "night", "t") == SILENT
    assert bounded(output / "day", "t") == SILENT
    assert begun == ["night"]
    answer.set()
    until(lambda: bounded(output / "day", "t") == Sight("t"), "it answers")


def test_a_recent_look_holds_only_for_whoever_says_so(output: Path) -> None:
    folder = output / "night"
    looks: list[Path] = []

    def counted(folder: Path, token: str, **_: object) -> Sight:
        looks.append(folder)
        return Sight(token) if folder.is_dir() else Sight(fault="is not mounted")

    bounded = BoundedLook(counted)
    assert bounded(folder, "t", recent=HUNG).fault is not None
    assert bounded(folder, "t", recent=HUNG).fault is not None  # faults are looked at again
    folder.mkdir()
    assert bounded(folder, "t", recent=HUNG) == Sight("t")
    assert len(looks) == 3
    assert bounded(folder, "t", recent=HUNG) == Sight("t")
    assert len(looks) == 3
    assert bounded(folder, "other", recent=HUNG) == Sight("other")
    folder.rmdir()
    assert bounded(folder, "t").fault is not None
    assert len(looks) == 5


def test_looks_at_once_wait_for_each_other(output: Path) -> None:
    answer, begun = threading.Event(), threading.Event()

    def slow(_folder: Path, _token: str, **_: bool) -> Sight:
        begun.set()
        answer.wait(HUNG)
        return Sight("t")

    bounded = BoundedLook(slow, patience=HUNG)
    found: list[Sight] = []
    threads = [
        threading.Thread(target=lambda: found.append(bounded(output / "night", "t")))
        for _ in range(3)
    ]
    threads[0].start()
    assert begun.wait(HUNG)
    for thread in threads[1:]:
        thread.start()
    answer.set()
    for thread in threads:
        thread.join()
    assert found == [Sight("t")] * 3


@pytest.mark.parametrize("umask", [0o022, 0o077])
@pytest.mark.parametrize("access", [0o700, 0o755, 0o2775, 0o1777])
def test_whoever_uses_the_output_folder_can_use_what_is_made_in_it(
    output: Path, umask: int, access: int
) -> None:
    """Whoever submits may be another user than the workers."""
    output.chmod(access)
    before = os.umask(umask)
    try:
        look(output / "night", "")
    finally:
        os.umask(before)
    # The sticky bit would keep workers from removing each other's temporary files.
    assert mode(output / "night") == access & ~stat.S_ISVTX
    assert mode(output / "night" / MARK) == 0o200 | access & 0o444


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_root_makes_belongs_to_whom_the_output_folder_belongs(output: Path) -> None:
    os.chown(output, 1000, 1001)
    look(output / "night", "")
    for path in (output / "night", output / "night" / MARK):
        assert (path.stat().st_uid, path.stat().st_gid) == (1000, 1001)


def test_a_folder_that_is_there_keeps_its_access(output: Path) -> None:
    (output / "night").mkdir(mode=0o750)
    look(output / "night", "")
    assert mode(output / "night") == 0o750


def test_a_probe_leaves_nothing_behind(output: Path) -> None:
    assert probe(output) is None
    assert list(output.iterdir()) == []


def test_a_probe_tells_what_is_wrong(tmp_path: Path) -> None:
    error = probe(tmp_path / "gone")
    assert error is not None
    assert error.errno == errno.ENOENT
