"""Manifests of several writers: processes in namespaces of their own have one process id."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from jobs.artifacts.manifest import manifest_path
from jobs.artifacts.mark import lay
from jobs.domain.batches import NewJob
from jobs.domain.memory import GIB
from jobs.domain.routing import Offer
from jobs.domain.spec import JobSpec
from jobs.domain.workers import WorkerCard
from jobs.settings import Settings
from jobs.store.store import Store
from tests.faults.mounts import needs_mounts
from tests.waiting import until

#: Writes the manifest for ever, and says which process id it has.
WRITER = """
import os, sys
from jobs.artifacts.manifest import write_manifest
from jobs.store.store import Store
print(os.getpid(), flush=True)
with Store.open(sys.argv[1]) as store:
    while True:
        write_manifest(store, store.batches.get("night"))
        print("round", flush=True)
"""
JOBS = 300
OFFER = Offer("w", ("full",), ("null",), 64 * GIB)


@pytest.mark.slow
def test_two_processes_of_one_id_write_one_manifest(
    sqlite_url: str, tmp_path: Path, start_process: Callable[..., subprocess.Popen[Any]]
) -> None:
    """Every read in between is of whole lines, and no job is missing at the end."""
    needs_mounts()
    with Store.open(sqlite_url) as store:
        output = tmp_path / "output"
        settings = Settings(home=tmp_path, output=output, database_url=sqlite_url)
        batch = store.batches.ensure("night", source="f", output=str(output), token="")
        assert lay(store, batch, settings).fault is None
        path = manifest_path(batch)
        specs = [
            JobSpec(
                custom_id=f"j{number}", prompt="walks", model="null", mode="full", steps=1,
                guidance=1.0,
            )
            for number in range(JOBS)
        ]  # fmt: skip
        new = [NewJob(spec=spec, mode="full", revision="null-1", gib=24) for spec in specs]
        store.batches.insert(batch, new, attempt_limit=3)
        command = ["unshare", "--pid", "--fork", "--kill-child", sys.executable, "-c", WRITER]
        logs = [tmp_path / "1.log", tmp_path / "2.log"]
        started = []
        for log in logs:
            with log.open("w") as file:
                started.append(start_process([*command, sqlite_url], stdout=file, stderr=file))
        until(lambda: all(log.read_text().count("round") > 2 for log in logs), "both write")
        assert [log.read_text().split()[0] for log in logs] == ["1", "1"], "they share an id"
        with _frozen_at_times(started[0]):
            seen = _finish(store, path)
        last = [log.read_text().count("round") for log in logs]
        until(
            lambda: all(
                log.read_text().count("round") > before + 2
                for log, before in zip(logs, last, strict=True)
            ),
            "both have written since",
        )
        assert seen == sorted(seen), "no manifest was replaced by an older one"
        assert len(path.read_text("utf-8").splitlines()) == JOBS
        names = {each.name for each in path.parent.iterdir() if not each.name.endswith(".part")}
        assert names == {path.name, ".hymo-batch.json"}


@contextmanager
def _frozen_at_times(namespace: subprocess.Popen[Any]) -> Iterator[None]:
    """Stop the writer of a namespace again and again, so that the other one overtakes it."""
    (writer,) = psutil.Process(namespace.pid).children()
    over = threading.Event()

    def freeze() -> None:
        while not over.wait(0.007):
            writer.suspend()
            over.wait(0.1)
            writer.resume()

    thread = threading.Thread(target=freeze)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _finish(store: Store, path: Path) -> list[int]:
    """End all jobs, some at a time, and read the manifest: how many lines each read had."""
    card = WorkerCard(OFFER, "h", None, "cpu", "CPU", "float32", nvlink=False, queues=())
    worker = store.workers.register(card)
    seen = []
    while claims := store.claims.claim(worker, OFFER, limit=20, lease=60):
        store.control.cancel([claim.job_id for claim in claims])
        store.completion.cancelled(claims)
        files: set[int] = set()
        while len(files) < 4:
            until(path.exists, "there is a manifest")
            with path.open(encoding="utf-8") as file:
                files.add(os.fstat(file.fileno()).st_ino)
                text = file.read()
            assert text == "" or text.endswith("\n")
            seen.append(len([json.loads(line) for line in text.splitlines()]))
    return seen
