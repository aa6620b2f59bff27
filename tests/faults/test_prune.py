"""`hymo prune` that is killed, and beside workers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from jobs.artifacts.folder import MARK
from jobs.artifacts.pruner import START, Pruner
from jobs.settings import Settings
from jobs.store.store import Store
from tests.cli.calling import call
from tests.cli.rows import new_job
from tests.faults.mounts import Disk
from tests.faults.plant import Plant

JOBS = START + 10
#: `hymo prune` in which the process is killed (SIGKILL) when it is to remove the named entry.
DYING = """
import os, signal, sys

def dying(remove):
    def call(name, **options):
        if name == sys.argv[1]:
            os.kill(os.getpid(), signal.SIGKILL)
        remove(name, **options)
    return call

os.unlink, os.rmdir = dying(os.unlink), dying(os.rmdir)
from jobs.cli.main import main
main(["prune", "--older-than", "30d", "--yes"])
"""


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "out"


def make_night(store: Store, output: Path) -> Path:
    """A batch with a mark, a manifest and a file a job, which ended 40 days ago."""
    made = store.batches.ensure("night", source="f.csv", output=str(output), token="t1")
    new = [new_job(f"j{n:03d}") for n in range(JOBS)]
    store.batches.insert(made, new, attempt_limit=1)
    store.control.cancel(batch_id=made.id)
    with store.engine.begin() as connection:
        connection.execute(text("UPDATE jobs SET finished_at = finished_at - 40 * 86400.0"))
        connection.execute(
            text("UPDATE batches SET created_at = created_at - 40 * 86400.0, manifest_at = :now"),
            {"now": store.time() - 39 * 86400},
        )
    made.folder.mkdir(parents=True)
    (made.folder / MARK).write_text('{"token": "t1"}')
    for name in ("manifest.jsonl", *(f"j{n:03d}_s0.npz" for n in range(JOBS))):
        (made.folder / name).write_text("x")
    return made.folder


def stems(store: Store) -> set[str]:
    with store.engine.connect() as connection:
        return {f"{row.custom_id}_s0" for row in connection.execute(text("SELECT * FROM jobs"))}


def test_a_prune_that_is_killed_goes_on(
    database_url: str,
    output: Path,
    tmp_path: Path,
    start_process: Callable[..., subprocess.Popen[Any]],
) -> None:
    """Wherever it is killed, each file that is left is named by a row that is left."""
    environ = {
        "HYMO_DATABASE_URL": database_url, "HYMO_HOME": str(tmp_path), "HYMO_OUTPUT": str(output),
    }  # fmt: skip
    with Store.open(database_url) as store:
        folder = make_night(store, output)
        # In the first transaction, in the second one, at the mark, between the mark and the row.
        for name, rows in (
            ("j020_s0.npz", JOBS), (f"j{START + 5:03d}_s0.npz", JOBS - START), (MARK, 0),
            ("night", 0),
        ):  # fmt: skip
            process = start_process([sys.executable, "-c", DYING, name], env=os.environ | environ)
            assert process.wait() == -signal.SIGKILL
            assert len(stems(store)) == rows
            assert {path.stem for path in folder.glob("*.npz")} <= stems(store)
            assert not (folder / "manifest.jsonl").exists(), "it names files that are gone"
            assert (folder / MARK).exists() == (name != "night")
            assert [batch.name for batch in store.batches.list()] == ["night"]
        done = call("prune", "--older-than", "30d", "--yes", env=environ)
        assert done.exit_code == 0, done.output
        assert (store.batches.list(), list(output.iterdir())) == ([], [])


def test_others_write_between_two_transactions(sqlite_url: str, output: Path) -> None:
    """SQLite has one writer, and a step of the prune is short."""
    with Store.open(sqlite_url) as store, Store.open(sqlite_url, timeout=0.1) as other:
        make_night(store, output)
        written = []

        def write(_: float) -> None:
            written.append(other.batches.ensure(f"b{len(written)}", source="f", output="/out"))

        settings = replace(Settings.read({}), output=output)
        pruner = Pruner(store, settings, before=store.time() - 86400, pause=write)
        found = pruner.prune(store.batches.get("night"))
        assert (found.rows.jobs, found.files.files, found.fault) == (JOBS, JOBS + 2, None)
        assert len(written) == 2


def test_a_disk_that_refuses_keeps_the_rows(sqlite_url: str, output: Path, tmp_path: Path) -> None:
    environ = {
        "HYMO_DATABASE_URL": sqlite_url, "HYMO_HOME": str(tmp_path), "HYMO_OUTPUT": str(output),
    }  # fmt: skip
    disk = Disk(output)
    disk.mount()
    try:
        with Store.open(sqlite_url) as store:
            make_night(store, output)
            disk.remount("ro")
            done = call("prune", "--older-than", "30d", "--yes", env=environ)
            assert done.exit_code == 1
            assert "its file manifest.jsonl cannot be removed: Read-only file" in done.stderr
            assert len(stems(store)) == JOBS
            disk.remount("rw")
            assert call("prune", "--older-than", "30d", "--yes", env=environ).exit_code == 0
            assert list(output.iterdir()) == []
    finally:
        disk.close()


def test_workers_go_on_beside_it(either: Plant) -> None:
    """Old jobs go while a worker makes others: none of those is lost, and its batch stays."""
    old = make_night(either.store, either.settings.output)
    either.worker("w")
    either.submit(8, steps=5)
    said = either.run("prune", "--older-than", "30d", "--yes")
    assert "removed 1 batch" in said
    assert not old.exists()
    either.finish(8)
