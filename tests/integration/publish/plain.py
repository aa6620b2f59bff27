"""A plain Celery worker that knows only the task's name and the queue.

`python plain.py URL QUEUE N`: prints the arguments of N tasks, one JSON line each, and ends.
"""

from __future__ import annotations

import json
import os
import signal
import sys

from celery import Celery


def main() -> None:
    url, queue, count = sys.argv[1:]
    app = Celery("plain", broker=url)
    app.conf.update(accept_content=["json"], worker_redirect_stdouts=False)
    left = [int(count)]

    @app.task(name="hymo.take", bind=True)
    def take(self, *args, **kwargs):
        told = {
            "args": args,
            "kwargs": kwargs,
            "id": self.request.id,
            "retries": self.request.retries,
        }
        print(json.dumps(told), flush=True)
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGTERM)

    app.Worker(
        pool="solo", queues=[queue], quiet=True, without_gossip=True, without_mingle=True,
        without_heartbeat=True, loglevel="ERROR",
    ).start()  # fmt: skip


if __name__ == "__main__":
    main()
