"""`hymo submit` of a large prompt file, compared with a `.delay()` loop on the same server."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from celery import Celery

from benchmarks.figure import Figure
from benchmarks.ground import DATABASES, Ground
from benchmarks.process import measured
from benchmarks.prompts import prompt
from benchmarks.scale import Scale
from jobs.delivery.broker import redis_client
from jobs.delivery.private_socket import socket_path
from jobs.domain.memory import queue_name

BENCH = "submit"


@dataclass(frozen=True)
class Round:
    """One submit between two loops: rows and messages per second, and the submit's peak memory."""

    rate: float
    plain: float
    peak_bytes: int

    @property
    def ratio(self) -> float:
        """Speed of the submit relative to the loops."""
        return self.rate / self.plain


def figures(ground: Ground, scale: Scale) -> Iterator[Figure]:
    """Submit the file with the real command, each row committed and published, and compare."""
    file = ground.folder / "prompts.csv"
    write_prompts(file, scale.rows)
    for database in DATABASES:
        rounds = sorted(
            (one_round(ground, database, file, scale) for _ in range(scale.rounds)),
            key=lambda found: found.ratio,
        )
        middle = rounds[len(rounds) // 2]
        peak = max(found.peak_bytes for found in rounds) / 10**6
        yield Figure(
            bench=BENCH, name="rows committed and published", value=middle.rate, unit="rows/s",
            database=database,
        )  # fmt: skip
        yield Figure(
            bench=BENCH, name="plain .delay() loop", value=middle.plain, unit="messages/s",
            database=database,
        )  # fmt: skip
        yield Figure(
            bench=BENCH, name="against .delay()", value=middle.ratio, unit="×", database=database,
            at_least=2,
        )  # fmt: skip
        yield Figure(
            bench=BENCH, name="peak memory", value=peak, unit="MB", database=database, at_most=500
        )


def one_round(ground: Ground, database: str, file: Path, scale: Scale) -> Round:
    """Run the loop before and after the submit, so that a machine that slows down affects both.
    The database is new."""
    url = ground.database(database)
    loops = [delay_loop(ground, scale.delays)]
    ground.flush()
    command = ground.hymo("submit", str(file), "--model", "null", "--mode", "full", "--json")
    ran = measured(command, ground.environ(url))
    check(ground, ran.stdout, scale.rows)
    ground.flush()
    loops.append(delay_loop(ground, scale.delays))
    ground.flush()
    return Round(scale.rows / ran.seconds, 2 * scale.delays / sum(loops), ran.peak_bytes)


def write_prompts(path: Path, rows: int) -> None:
    """Write a typical prompt file: ids, prompts, mixed lengths, seeds and a note."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "prompt", "frames", "seed", "priority", "shot"])
        for row in range(rows):
            writer.writerow(
                [f"m{row:06}", prompt(row), 40 + row * 7 % 200, row, row % 3, f"scene {row % 50}"]
            )


def delay_loop(ground: Ground, messages: int) -> float:
    """Seconds of a loop of `.delay()` with Celery as it comes, which sends by its own transport."""
    url = f"redis+socket://{socket_path(ground.folder)}"
    app = Celery("bench", broker=url, set_as_current=False, task_ignore_result=True)

    def take(job_id: int) -> None:
        """Never run: the loop's queue has no consumer."""

    task = app.task(name="bench.take", shared=False)(take)
    task.delay(0)  # connect before the measurement
    start = time.perf_counter()
    for number in range(messages):
        task.delay(number)
    seconds = time.perf_counter() - start
    app.close()
    return seconds


class MissingError(Exception):
    """Rows or messages are missing, so the figure would be wrong."""

    def __init__(self, what: str, found: int, wanted: int) -> None:
        super().__init__(f"{found} {what} where {wanted} should be")


def check(ground: Ground, stdout: str, rows: int) -> None:
    """Raise `MissingError` unless every row became a job and a message."""
    new = json.loads(stdout)["new"]
    if new != rows:
        raise MissingError("jobs", new, rows)
    with redis_client(ground.settings("sqlite:///unused.db")) as client:
        keys = [key.decode() for key in client.scan_iter(match=f"{queue_name('full', 0)[:-1]}*")]
        sent = sum(int(client.llen(key)) for key in keys)
    if sent != rows:
        raise MissingError("messages", sent, rows)
