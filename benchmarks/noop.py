"""A Celery worker with no-op tasks: `python -m benchmarks.noop URL QUEUE N`.

It uses the consumer of the `worker` package, so the pool, the flags and the settings are the same.
Prints the seconds between the first task and the last, then exits.
"""

from __future__ import annotations

import sys
import threading
import time

import click

from worker.consumer import Consumer

#: Timeout of all waits, seconds.
PATIENCE = 300.0


class Count:
    """Counts tasks and records when the first and the last one ran."""

    def __init__(self, wanted: int) -> None:
        self._left = wanted
        self.first = 0.0
        self.last = 0.0
        self.full = threading.Event()

    def __call__(self, number: int) -> None:
        """One task."""
        del number
        self.last = time.perf_counter()
        self.first = self.first or self.last
        self._left -= 1
        if not self._left:
            self.full.set()


def main() -> None:
    """Consume N tasks."""
    url, queue, wanted = sys.argv[1:]
    count = Count(int(wanted))
    consumer = Consumer(
        url=url, name="noop", host="bench", queues=[queue], work=count, draining=threading.Event()
    )

    def stop() -> None:
        count.full.wait(PATIENCE)
        consumer.drain()

    threading.Thread(target=stop, daemon=True).start()
    consumer.consume()
    if not count.full.is_set():
        raise SystemExit(f"not all of {wanted} tasks came within {PATIENCE:g} s")
    click.echo(str(count.last - count.first))


if __name__ == "__main__":
    main()
