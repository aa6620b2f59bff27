"""Files that cannot be written: full disks, read-only ones, ones that are gone, broken names."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.artifacts.folder import MARK
from tests.faults.mounts import Disk
from tests.faults.plant import Plant, opened

UP = ("--devices", "cpu", "--models", "tiny", "--memory", "64", "--serve", "full")
HOST = socket.gethostname()


@pytest.fixture
def disk(plant: Plant) -> Iterator[Disk]:
    """The output folder of the plant, not mounted yet."""
    made = Disk(plant.home / "disk")
    plant.environ |= {"HYMO_OUTPUT": str(made.path)}
    yield made
    made.close()


def waits(plant: Plant) -> list[str]:
    """The reasons of the pauses of live workers."""
    rows = plant.rows("SELECT pauses FROM workers WHERE state = 'live'")
    found = [
        json.loads(row.pauses or "[]") if isinstance(row.pauses, str) else row.pauses
        for row in rows
    ]
    return [each["reason"] for pauses in found for each in pauses or []]


def outcomes(plant: Plant) -> dict[str, int]:
    """How many attempts ended how, of those whose sampling began."""
    query = "SELECT outcome, count(*) FROM attempts WHERE sampling_at > 0 GROUP BY outcome"
    return dict(plant.rows(query))  # type: ignore[arg-type]  # pairs


def said(plant: Plant, *words: str) -> str:
    """What a command printed."""
    command = plant.start(words[0], *words)
    command.process.wait()
    return command.said


def remounted(disk: Disk, options: str) -> bool:
    """Whether a disk could be remounted."""
    try:
        disk.remount(options)
    except subprocess.CalledProcessError:
        return False
    return True


@pytest.mark.slow
def test_a_full_disk_holds_motions_until_there_is_room(
    home: Path, sqlite_url: str, request: pytest.FixtureRequest
) -> None:
    """Under `hymo up`: nothing fails, nothing is counted, people see why, and it goes on."""
    with opened(home, sqlite_url, None) as plant:
        disk = Disk(home / "full", size="64k")
        request.addfinalizer(disk.close)
        disk.mount()
        plant.environ |= {"HYMO_OUTPUT": str(disk.path), "HYMO_PACK": "4"}
        reason = f"output {disk.path} full on {HOST}"
        up = plant.start("up", "up", *UP)
        plant.submit(120, model="tiny", steps=1)
        plant.until(lambda: waits(plant) == [reason], "the worker waits for room")
        plant.until(lambda: plant.counts().get("running", 0) > 0, "a motion is kept")
        assert f"waits: {reason}" in said(plant, "workers")
        assert f" waits {reason} " in " ".join(said(plant, "show", "j/j120").split())
        assert f"waits: {reason}" in said(plant, "watch", "j", "--timeout", "12")
        disk.remount("size=64m")
        plant.until(lambda: f"{HOST}-cpu waits no longer: {reason}" in up.said, "it goes on")
        plant.finish(120)
        told = f"worker {HOST}-cpu waits"
        assert [up.said.count(f"{told}{each}: {reason}") for each in ("", " no longer")] == [1, 1]
        assert plant.counts() == {"succeeded": 120}
        assert outcomes(plant) == {"succeeded": 120}


@pytest.mark.slow
def test_a_read_only_disk_is_waited_for(plant: Plant, disk: Disk) -> None:
    disk.mount()
    plant.worker("a", model="tiny")
    plant.submit(20, model="tiny", steps=2)
    plant.until(lambda: plant.counts().get("succeeded", 0) > 2, "some are saved")
    plant.until(lambda: remounted(disk, "ro"), "no file is open for writing")
    reason = f"output {disk.path} read-only on {HOST}"
    plant.until(lambda: waits(plant) == [reason], "the worker waits")
    disk.remount("rw")
    plant.finish(20)
    assert outcomes(plant) == {"succeeded": 20}


@pytest.mark.slow
def test_a_disk_that_vanishes_gets_nothing_on_the_disk_below(plant: Plant, disk: Disk) -> None:
    """It is taken away in mid-run, and comes back with what it had."""
    share = plant.home / "share"
    share.mkdir()
    disk.path.mkdir()
    disk.bind(share)
    plant.environ |= {"HYMO_LEASE": "4"}
    plant.worker("a", model="tiny")
    plant.submit(30, model="tiny", steps=20)
    plant.until(lambda: plant.counts().get("succeeded", 0) > 2, "some are saved")
    disk.detach()
    assert plant.counts() != {"succeeded": 30}, "it was taken away too late to matter"
    reason = f"batch j: its folder {disk.path / 'j'} is not mounted on {HOST}"
    plant.until(lambda: waits(plant) == [reason], "the worker waits")
    plant.until(lambda: plant.counts().get("running", 0) > 0, "a finished motion is kept")
    kept = plant.rows("SELECT max(lease_until) FROM jobs")[0][0]
    later = "SELECT max(lease_until) FROM jobs WHERE state = 'running'"
    plant.until(lambda: plant.rows(later)[0][0] > kept + 4, "its lease is renewed")
    assert list(disk.path.iterdir()) == []
    disk.bind(share)
    plant.finish(30)
    assert outcomes(plant) == {"succeeded": 30}


@pytest.mark.slow
def test_a_machine_without_the_share_takes_none_of_its_jobs(plant: Plant, disk: Disk) -> None:
    """The mount point is there, as an empty folder of the machine's own disk."""
    disk.mount()
    plant.submit(6, model="tiny", steps=1)
    unmounted = 'umount -l $HYMO_OUTPUT && exec "$@"'
    plant.wrapper = ("unshare", "-m", "sh", "-c", unmounted, "sh")
    plant.worker("b", model="tiny")
    plant.wrapper = ()
    reason = f"batch j: its folder {disk.path / 'j'} is not mounted on {HOST}"
    plant.until(lambda: waits(plant) == [reason], "the worker without the share waits")
    shown = " ".join(said(plant, "show", "j/j1").split())  # it is wrapped at 80 columns
    assert f" waits {reason} " in shown, shown
    plant.environ |= {"HYMO_OUTPUT": str(plant.home / "own")}
    plant.submit(2, model="tiny", steps=1, name="own")
    plant.until_done(2)
    plant.worker("a", model="tiny")
    plant.until_done(8)
    assert plant.counts() == {"succeeded": 8}
    by = plant.rows("SELECT DISTINCT worker_name FROM jobs WHERE custom_id LIKE 'j%'")
    assert [row.worker_name for row in by] == ["a"]
    plant.drain()
    assert len((disk.path / "j" / "manifest.jsonl").read_text("utf-8").splitlines()) == 6
    disk.close()
    assert list(disk.path.iterdir()) == []


@pytest.mark.slow
def test_no_worker_creates_an_output_folder(plant: Plant) -> None:
    """The folder is moved away before the worker comes, and moved back."""
    plant.submit(2, model="tiny", steps=1)
    plant.environ |= {"HYMO_OUTPUT": str(plant.home / "nowhere" / "at" / "all")}
    output, away = plant.home / "output", plant.home / "away"
    output.rename(away)
    plant.worker("a", model="tiny")
    plant.until(lambda: any("is not mounted" in each for each in waits(plant)), "the worker waits")
    assert not output.exists()
    away.rename(output)
    plant.until_done(2)
    plant.drain()
    assert outcomes(plant) == {"succeeded": 2}


@pytest.mark.slow
def test_a_share_that_hangs_holds_up_only_its_own_jobs(plant: Plant) -> None:
    """A pipe in place of the mark: whoever opens it waits for a writer."""
    plant.submit(2, model="tiny", steps=1, name="hung")
    mark = plant.settings.output / "hung" / MARK
    text = mark.read_text("utf-8")
    mark.unlink()
    os.mkfifo(mark)
    plant.environ |= {"HYMO_OUTPUT": str(plant.home / "own")}
    plant.submit(2, model="tiny", steps=1, name="own")
    plant.worker("a", model="tiny")
    plant.until_done(2)
    assert plant.counts() == {"queued": 2, "succeeded": 2}
    (reason,) = waits(plant)
    assert "hung does not answer" in reason
    pipe = os.open(mark, os.O_WRONLY)
    mark.unlink()
    mark.write_text(text, "utf-8")
    os.close(pipe)
    plant.until_done(4)
    plant.drain()
    assert outcomes(plant) == {"succeeded": 4}


@pytest.mark.slow
def test_a_worker_that_drains_gives_its_motions_back(plant: Plant, disk: Disk) -> None:
    disk.size = "16k"
    disk.mount()
    worker = plant.worker("a", model="tiny")
    plant.submit(2, model="tiny", steps=1)
    plant.until(lambda: waits(plant), "the worker waits")
    held = plant.counts()["running"]
    worker.send(signal.SIGTERM)
    assert worker.ended() == 0
    assert plant.counts()["queued"] >= held
    assert outcomes(plant)["released"] == held
    told = plant.rows("SELECT error FROM attempts WHERE outcome = 'released'")
    assert {row.error for row in told} == {"the worker ended before its files could be saved"}
    disk.remount("size=64m")
    plant.worker("b", model="tiny")
    plant.until_done(2)
    assert plant.counts() == {"succeeded": 2}
    spent = plant.rows("SELECT max(attempt - (attempt_limit - 3)) FROM jobs")
    assert spent[0][0] == 1, "the attempt that was given back does not count"


@pytest.mark.slow
def test_a_link_in_the_place_of_a_part_is_not_followed(plant: Plant, tmp_path: Path) -> None:
    """Whoever can write in the folder leads no worker out of it."""
    plant.submit(2, model="tiny", steps=1)
    victim = tmp_path / "victim"
    victim.write_text("theirs")
    folder = plant.settings.output / "j"
    (folder / ".j2_s0.npz.1.part").symlink_to(victim)
    plant.worker("a", model="tiny")
    plant.finish(2)

    assert plant.counts() == {"succeeded": 2}
    assert victim.read_text() == "theirs"
    assert not (folder / "j2_s0.npz").is_symlink()


@pytest.mark.slow
def test_a_name_that_is_taken_fails_its_job_alone(plant: Plant) -> None:
    """The folder can be written, so the job is at fault, and its attempts count."""
    plant.environ |= {"HYMO_PACK": "4"}
    plant.submit(3, model="tiny", steps=1)
    (plant.settings.output / "j" / "j2_s0.npz").mkdir()
    plant.worker("a", model="tiny")
    plant.finish(3)
    assert plant.counts() == {"failed": 1, "succeeded": 2}
    assert [one.failure for one in plant.tries("j2")] == ["error"] * 3
    assert "j2_s0.npz" in plant.job("j2").error


@pytest.mark.slow
def test_folder_that_is_none(plant: Plant) -> None:
    """Its batch waits and says so; other batches go on. After `hymo retry` it goes on too."""
    plant.submit(2, model="tiny", steps=1, name="barred")
    plant.submit(2, model="tiny", steps=1, name="free")
    obstacle = plant.settings.output / "barred"
    shutil.rmtree(obstacle)
    obstacle.write_text("a file where a folder should be")
    plant.worker("a", model="tiny")
    plant.until_done(2)
    assert plant.counts() == {"queued": 2, "succeeded": 2}
    assert any(str(obstacle) in each for each in waits(plant))
    obstacle.unlink()
    said(plant, "retry", "--batch", "barred")
    plant.finish(4)
    assert outcomes(plant) == {"succeeded": 4}


@pytest.mark.slow
def test_a_submit_says_that_it_cannot_use_the_folder(plant: Plant, disk: Disk) -> None:
    disk.mount()
    assert remounted(disk, "ro")
    shown = said(plant, *plant.submit_command(plant.prompts(2, "j"), steps=1))
    told = f"warning: {disk.path / 'j'} is read-only; the jobs wait"
    assert told in " ".join(shown.split())
    assert remounted(disk, "rw")
    shown = said(plant, *plant.submit_command(plant.prompts(2, "j"), steps=1))
    assert "is read-only" not in shown
