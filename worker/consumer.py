"""The Celery side of a worker: one slot, its queues biggest first, and draining on SIGTERM."""

from __future__ import annotations

import logging
import os
import signal
import threading
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from celery import Celery, signals
from celery.exceptions import SecurityWarning

from jobs.delivery import TASK, celery_app

log = logging.getLogger(__name__)


class Consumer:
    """Consumes job messages until told to drain.

    Args:
        url: the broker, as kombu wants it.
        name: of the worker; Celery's node name is made from it.
        host: of the machine.
        queues: to consume, biggest class first: Celery asks for them in this order.
        work: called with the job id of each message, in the one pool thread.
        draining: set as soon as SIGTERM or SIGINT arrives.
    """

    def __init__(
        self,
        *,
        url: str,
        name: str,
        host: str,
        queues: Sequence[str],
        work: Callable[[int], object],
        draining: threading.Event,
    ) -> None:
        self._app: Celery = celery_app(url)
        self._node = f"{name}@{host}"
        self._queues = list(queues)
        self._work = work
        self._draining = draining
        self._fault: BaseException | None = None
        self._worker: Any = None

    def consume(self) -> int:
        """Consume until drained; Celery's exit code. Raises what made `work` give up."""

        def take(job_id: int) -> None:
            # A message is not trusted: anything but an id asks for nothing.
            if not isinstance(job_id, int) or isinstance(job_id, bool) or self._fault:
                log.warning("message ignored: %r is no job id", job_id)
                return
            try:
                self._work(job_id)
            except BaseException as error:
                # Not the job's fault: the worker itself cannot go on (the database is gone).
                self._fault = error
                self.drain()
                raise

        self._app.task(name=TASK, shared=False)(take)
        signals.worker_shutting_down.connect(self._on_shutdown, weak=False)
        # Celery warns root about pickle; this application accepts JSON alone.
        warnings.filterwarnings("ignore", category=SecurityWarning)
        try:
            self._worker = self._app.Worker(
                hostname=self._node,
                pool="threads",
                concurrency=1,
                queues=self._queues,
                loglevel="WARNING",
                without_gossip=True,
                without_mingle=True,
                without_heartbeat=True,
                quiet=True,
            )
            self._worker.start()
        finally:
            signals.worker_shutting_down.disconnect(self._on_shutdown)
        if self._fault is not None:
            raise self._fault
        return int(self._worker.exitcode or 0)

    def drain(self) -> None:
        """Take no further message; the pack in hand is finished."""
        self._draining.set()
        # Celery's own warm shutdown, as from outside: there is no second way to drain.
        os.kill(os.getpid(), signal.SIGTERM)

    def _on_shutdown(self, **_: object) -> None:
        self._draining.set()
