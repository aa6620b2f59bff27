"""The Celery consumer of a worker: one slot, the biggest queue first, draining on SIGTERM."""

from __future__ import annotations

import os
import signal
import threading
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from celery import Celery, signals
from celery.exceptions import SecurityWarning
from celery.platforms import EX_OK
from celery.worker import state

from jobs.delivery.celery_app import celery_app
from jobs.delivery.message import TASK


class Consumer:
    """Consumes job messages until told to drain.

    Args:
        url: the broker URL for kombu.
        name: the worker's name, a part of Celery's node name.
        host: the machine's name.
        queues: the queues to consume, biggest class first: Celery polls them in this order.
        work: called with the job id of each message, in the single pool thread.
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
        """Consume until drained and return Celery's exit code. Raises any error of `work`."""

        def take(job_id: int) -> None:
            if self._fault is not None:
                return  # shutting down: the job stays queued for another worker
            try:
                self._work(job_id)
            except BaseException as error:
                # Job errors never get here: the worker itself cannot continue (no database).
                self._fault = error
                self.drain()
                raise

        # Celery handles SIGTERM only once its worker has started; an earlier one must drain too.
        signal.signal(signal.SIGTERM, self._on_early_sigterm)
        if self._draining.is_set():
            return 0
        self._app.task(name=TASK, shared=False)(take)
        signals.worker_shutting_down.connect(self._on_shutdown, weak=False)
        # Celery warns root users about pickle; this application accepts only JSON.
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
        """Take no further message and finish the running pack."""
        # SIGTERM starts Celery's warm shutdown, so draining always takes the same path. Whoever set
        # the event has sent one already.
        if not self._draining.is_set():
            self._draining.set()
            os.kill(os.getpid(), signal.SIGTERM)

    def _on_early_sigterm(self, _number: int, _frame: object) -> None:
        self._draining.set()
        state.should_stop = EX_OK  # type: ignore[assignment]  # None until somebody stops it

    def _on_shutdown(self, **_: object) -> None:
        self._draining.set()
