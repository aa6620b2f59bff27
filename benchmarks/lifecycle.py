"""Throughput of no-op jobs, compared with no-op Celery tasks with the same pool and settings."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, text

from benchmarks.figure import Figure
from benchmarks.ground import DATABASES, Ground
from benchmarks.noop import PATIENCE
from benchmarks.process import ProcessError, measured
from benchmarks.scale import Scale
from benchmarks.submitting import MissingError, write_prompts
from jobs.delivery.broker import kombu_url, redis_client
from jobs.delivery.publisher import Publisher
from jobs.store.engine import connect

BENCH = "lifecycle"
PACK = 64
QUEUE = "bench.noop"


def figures(ground: Ground, scale: Scale) -> Iterator[Figure]:
    """Measure jobs of the null model and no-op tasks, with one worker each."""
    for database in DATABASES:
        plain = noop_tasks(ground, scale.cycles)
        life = noop_jobs(ground, database, scale.cycles, pack=PACK)
        alone = noop_jobs(ground, database, scale.alone, pack=1)
        yield Figure(
            bench=BENCH, name="no-op Celery tasks", value=plain, unit="tasks/s", database=database
        )
        yield Figure(
            bench=BENCH, name=f"no-op jobs, packs of {PACK}", value=life.rate, unit="jobs/s",
            database=database,
        )  # fmt: skip
        yield Figure(
            bench=BENCH, name="against Celery", value=life.rate / plain, unit="×",
            database=database, at_least=1,
        )  # fmt: skip
        yield Figure(
            bench=BENCH, name="with the messages taken too", value=life.rate_with_messages,
            unit="jobs/s", database=database,
        )  # fmt: skip
        yield Figure(
            bench=BENCH, name="messages of finished jobs removed", value=life.messages,
            unit="messages/s", database=database, at_least=5_000,
        )  # fmt: skip
        yield Figure(
            bench=BENCH, name="no-op jobs, one a pack", value=alone.rate, unit="jobs/s",
            database=database,
        )  # fmt: skip


def noop_tasks(ground: Ground, tasks: int) -> float:
    """Tasks a second of a Celery worker that does nothing, from its first task to its last."""
    ground.flush()
    settings = ground.settings("sqlite:///unused.db")
    with closing(Publisher(settings)) as publisher:
        publisher.publish((number, QUEUE) for number in range(1, tasks + 1))
    command = [sys.executable, "-m", "benchmarks.noop", kombu_url(settings), QUEUE, str(tasks)]
    seconds = float(measured(command, ground.environ("sqlite:///unused.db")).stdout.split()[-1])
    return (tasks - 1) / seconds


@dataclass(frozen=True)
class Life:
    """Throughput of jobs.

    Attributes:
        rate: jobs per second, from the first job's start to the last one's commit.
        rate_with_messages: the same, until the broker's queues are empty: the worker still has to
            remove the messages whose job was in an earlier pack.
        messages: messages per second that it removed then.
    """

    rate: float
    rate_with_messages: float
    messages: float


def noop_jobs(ground: Ground, database: str, jobs: int, *, pack: int) -> Life:
    """Queue jobs of the null model, then start one worker."""
    ground.flush()
    url = ground.database(database)
    file = ground.folder / "noop.csv"
    write_prompts(file, jobs)
    words = ("submit", str(file), "--model", "null", "--mode", "full", "--steps", "1")
    measured(ground.hymo(*words, "--frames", "100"), ground.environ(url))
    environ = ground.environ(url, HYMO_PACK=str(pack))
    flags = ("--device", "cpu", "--models", "null", "--memory", "1024")
    log = ground.folder / "worker.log"
    with log.open("ab") as stderr:
        process = subprocess.Popen(
            ground.hymo("worker", *flags), env=dict(environ), stdout=stderr, stderr=stderr
        )
    engine = connect(url)
    try:
        _wait(process, engine, ground, log)
        emptied = time.time()
    finally:
        engine.dispose()
        process.terminate()
        process.wait()
    return _life(url, jobs, emptied)


def _wait(process: subprocess.Popen[bytes], engine: Engine, ground: Ground, log: Path) -> None:
    """Wait until no job and no message is left."""
    give_up = time.monotonic() + PATIENCE
    left = text("SELECT count(*) FROM jobs WHERE state IN ('queued', 'running')")
    with redis_client(ground.settings("sqlite:///unused.db")) as client:
        while time.monotonic() < give_up and process.poll() is None:
            with engine.connect() as connection:
                rows = connection.execute(left).scalar_one()
            if not rows and not any(True for _ in client.scan_iter(match="hymo.*")):
                return
            time.sleep(0.1)
    raise ProcessError(["hymo", "worker"], process.poll() or 0, log.read_text("utf-8"))


def _life(url: str, jobs: int, emptied: float) -> Life:
    engine = connect(url)
    with engine.connect() as connection:
        done, start, end = connection.execute(
            text(
                "SELECT count(*), min(started_at), max(finished_at) FROM attempts"
                " WHERE outcome = 'succeeded' AND sample_s IS NOT NULL"
            )
        ).one()
    engine.dispose()
    if done != jobs:
        raise MissingError("finished attempts", done, jobs)
    return Life(
        rate=jobs / (end - start),
        rate_with_messages=jobs / (emptied - start),
        messages=jobs / (emptied - end),
    )
