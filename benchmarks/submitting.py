"""`hymo submit` of a large prompt file against a plain `.delay()` loop on the same server."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figure import Figure
from benchmarks.ground import DATABASES, Ground
from benchmarks.process import measured
from benchmarks.prompts import prompt
from benchmarks.scale import Scale
from jobs.broker import kombu_url, redis_client
from jobs.delivery import celery_app
from jobs.memory import queue_name

BENCH = "submit"


def figures(ground: Ground, scale: Scale) -> Iterator[Figure]:
    """Submit the file with the real command, each row committed and published, and compare.

    The loop runs before and after it, so that a machine that gets slower is no one's gain.
    """
    file = ground.folder / "prompts.csv"
    write_prompts(file, scale.rows)
    for database in DATABASES:
        url = ground.database(database)
        loops = [delay_loop(ground, scale.delays)]
        ground.flush()
        command = ground.hymo("submit", str(file), "--model", "null", "--mode", "full", "--json")
        ran = measured(command, ground.environ(url))
        check(ground, ran.stdout, scale.rows)
        loops.append(delay_loop(ground, scale.delays))
        ground.flush()
        rate = scale.rows / ran.seconds
        plain = 2 * scale.delays / sum(loops)
        yield Figure(
            bench=BENCH, name="rows committed and published", value=rate, unit="rows/s",
            database=database,
        )  # fmt: skip
        yield Figure(
            bench=BENCH, name="plain .delay() loop", value=plain, unit="messages/s",
            database=database,
        )  # fmt: skip
        yield Figure(
            bench=BENCH, name="against .delay()", value=rate / plain, unit="×",
            database=database, at_least=2,
        )  # fmt: skip
        yield Figure(
            bench=BENCH, name="peak memory", value=ran.peak_bytes / 10**6, unit="MB",
            database=database, at_most=500,
        )  # fmt: skip


def write_prompts(path: Path, rows: int) -> None:
    """A prompt file as people write them: an id, a prompt, mixed lengths, seeds and a note."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "prompt", "frames", "seed", "priority", "shot"])
        for row in range(rows):
            writer.writerow(
                [f"m{row:06}", prompt(row), 40 + row * 7 % 200, row, row % 3, f"scene {row % 50}"]
            )


def delay_loop(ground: Ground, messages: int) -> float:
    """Seconds that a loop of `.delay()` takes with our application."""
    app = celery_app(kombu_url(ground.settings("sqlite:///unused.db")))

    def take(job_id: int) -> None:
        """Never run: nobody consumes the loop's queue."""

    task = app.task(name="bench.take", shared=False)(take)
    task.delay(0)  # connect outside the time that counts
    start = time.perf_counter()
    for number in range(messages):
        task.delay(number)
    seconds = time.perf_counter() - start
    app.close()
    return seconds


class MissingError(Exception):
    """Rows or messages are missing: the figure would be a lie."""

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
