"""The disk of the SQLite file is full: this is said, committed rows stay, workers wait for room."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jobs.errors import UnreachableError
from jobs.settings import Settings
from jobs.store.store import Store
from tests.cli.calling import call
from tests.faults.disk import SmallDisk, small_disk
from tests.faults.lock import locked
from tests.faults.plant import opened
from worker.doctor.checks import examine
from worker.doctor.finding import Health
from worker.errors import LockFileError
from worker.locks import HomeLock
from worker.supervision.stuck import StuckCheck

if TYPE_CHECKING:
    from tests.conftest import RedisServer


#: How a worker says that an outage is over.
BACK = "the database is back"


@pytest.fixture
def disk() -> Iterator[SmallDisk]:
    with small_disk(6) as made:
        yield made


@pytest.fixture
def url(disk: SmallDisk, sqlite_url: str) -> str:
    """A database with our tables on the small disk."""
    shutil.copy(sqlite_url.removeprefix("sqlite:///"), disk.folder / "hymo.db")
    return f"sqlite:///{disk.folder / 'hymo.db'}"


@pytest.mark.slow
def test_a_worker_waits_for_room(
    disk: SmallDisk, url: str, home: Path, own_redis: RedisServer
) -> None:
    with opened(home, url, own_redis) as plant:
        plant.environ |= {"HYMO_NULL_STEP": "0.1", "HYMO_LEASE": "300"}
        plant.submit(8)
        worker = plant.worker("a")
        plant.until(lambda: plant.counts().get("succeeded", 0) >= 2, "some are done")
        disk.fill()
        watch = plant.start("watch", "watch", "j", "--outage", "1")
        plant.until(lambda: "waiting until it is back" in worker.said, "it noticed")
        assert watch.ended() == 7, watch.said
        full = f"database or disk is full, 0.0 MiB free in {disk.folder}"
        assert "/8 done · " in watch.said
        assert f"database away, waiting (0 s) · {full}" in watch.said
        assert f" s: {full}; make room there, then try again" in watch.said.splitlines()[-1]
        workers = call("workers", env=plant.environ | {"HYMO_ALIVE": "1"})
        assert workers.exit_code == 0
        assert f"has no room: {full}; make room there" in workers.stderr
        assert "live ones look lost" in workers.stderr
        assert "hymo up" not in workers.stderr
        said = worker.said
        assert f"has no room: {full}; make room there, then try again" in said
        assert "is unreachable" not in said
        assert BACK not in said, "reads are answered, and writes are not"
        assert worker.process.poll() is None
        disk.free()
        plant.finish(8)
        assert worker.said.count(BACK) == 1
        assert plant.counts() == {"succeeded": 8}
        assert [row.outcome for row in plant.rows("SELECT outcome FROM attempts")] == [
            "succeeded"
        ] * 8


def test_a_submit_says_what_is_committed(
    disk: SmallDisk, url: str, home: Path, own_redis: RedisServer
) -> None:
    with opened(home, url, own_redis) as plant:
        words = plant.submit_command(plant.prompts(12_000, "j"), steps=1)
        submit = plant.start("submit", *words)
        assert submit.ended() == 7, submit.said
        with sqlite3.connect(disk.folder / "hymo.db") as connection:
            (rows,) = connection.execute("SELECT count(*) FROM jobs").fetchone()
        connection.close()
        assert 0 < rows < 12_000
        last = submit.said.splitlines()[-1]
        assert "has no room" in last
        assert f"{rows} of 12000 jobs of batch j are submitted" in last
        assert "the same file submitted again adds the rest" in last


def test_a_full_disk_and_a_busy_file_are_told_apart(disk: SmallDisk, url: str) -> None:
    busy = "is busy: database is locked; end the process"
    with Store.open(url, timeout=0.05) as store:
        day = store.batches.ensure("day", source="s", output="/o")
        with locked(url):
            with pytest.raises(UnreachableError, match=busy):
                store.batches.ensure("night", source="s", output="/o")
            patient = {"HYMO_DATABASE_URL": f"{url}?timeout=1.5", "HYMO_HOME": str(disk.folder)}
            asked = call("priority", "day", 5, env=patient)
        assert asked.exit_code == 7
        first, last = asked.stderr.splitlines()
        file = url.removeprefix("sqlite:///")
        assert first == f"another process is writing to {file!r}: waiting, at most 1.5 s"
        assert "is busy" in last
        disk.fill()
        with pytest.raises(
            UnreachableError, match=f"has no room.*free in {disk.folder}; make room"
        ):
            store.batches.ensure("night", source="s", output="/o")
        with pytest.raises(UnreachableError, match="has no room"):
            StuckCheck(store=store, batch=day, offers=(), alive=1).check()
        settings = Settings.read({"HYMO_HOME": str(disk.folder), "HYMO_DATABASE_URL": url})
        every = {
            one.check: one
            for one in takewhile(lambda one: one.check != "broker", examine(settings, {}))
        }
        for check in ("home", "database"):
            said = every[check].found + every[check].mend
            assert every[check].health is Health.BAD
            assert "0.0 MiB free" in said
            assert "make room" in said
        disk.free()
        assert store.batches.ensure("night", source="s", output="/o").name == "night"


def test_a_full_disk_is_no_outage_while_the_log_has_room(disk: SmallDisk, url: str) -> None:
    with Store.open(url) as store, sqlite3.connect(disk.folder / "hymo.db") as connection:
        for number in range(1100):  # SQLite begins the log anew after 1000 pages
            connection.execute(f"PRAGMA user_version = {number}")
        disk.fill()
        store.require_room()
        assert store.batches.ensure("night", source="s", output="/o").name == "night"
    connection.close()


def test_a_disk_that_fails_is_not_called_full(url: str) -> None:
    """As a quota does: the file may not grow, and the disk has room."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Store.open(url) as store:
        store.batches.ensure("first", source="s", output="/o")
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
        try:
            with pytest.raises(UnreachableError, match="cannot be read or written: disk I/O error"):
                store.batches.ensure("night", source="s", output="/o")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_home_without_room_for_its_lock_is_named(disk: SmallDisk) -> None:
    disk.fill()
    with pytest.raises(LockFileError, match=r"up\.lock cannot be written.*free space") as caught:
        HomeLock(disk.folder).__enter__()
    assert str(disk.folder) in str(caught.value)
    assert caught.value.exit_code == 7
    disk.free()
    with HomeLock(disk.folder):
        pass
