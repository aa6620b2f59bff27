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
from celery.platforms import EX_OK
from celery.worker import state
from celery.worker.consumer import Consumer as CeleryConsumer

from jobs.delivery.celery_app import TASK, celery_app

log = logging.getLogger(__name__)

#: What Celery lets escape when a message is not built as it expects.
UNREADABLE = (AttributeError, IndexError, KeyError, TypeError, ValueError)

#: Keys are 64-bit in SQL; a driver raises at what is larger.
LARGEST_ID = 2**63 - 1


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
            if not _is_id(job_id):
                log.warning("message ignored: %.100r is no job id", job_id)
                return
            if self._fault is not None:
                return  # on the way out: the row waits for another worker
            try:
                self._work(job_id)
            except BaseException as error:
                # Not the job's fault: the worker itself cannot go on (the database is gone).
                self._fault = error
                self.drain()
                raise

        # Celery handles SIGTERM only once its worker starts; one that comes before must count too.
        signal.signal(signal.SIGTERM, self._on_early_sigterm)
        if self._draining.is_set():
            return 0
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
                consumer_cls=GuardedConsumer,
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

    def _on_early_sigterm(self, _number: int, _frame: object) -> None:
        self._draining.set()
        state.should_stop = EX_OK  # type: ignore[assignment]  # None until somebody stops it

    def _on_shutdown(self, **_: object) -> None:
        self._draining.set()


def _is_id(value: object) -> bool:
    """Whether `value` could be a row's key: a number that a database takes."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= LARGEST_ID


class GuardedConsumer(CeleryConsumer):
    """Celery's consumer, which trusts that whoever reaches the broker writes good messages.

    One that it trips over would end the worker unacknowledged, and then the next worker, and so on.
    """

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], None]:
        """Celery's handler of messages, behind the gate."""
        handle = super().create_task_handler(*args, **kwargs)  # type: ignore[no-untyped-call]

        def careful(message: Any) -> None:
            try:
                handle(message)
            except UNREADABLE as error:
                log.warning("message ignored: %s: %.200s", type(error).__name__, error)
                if not message.acknowledged:
                    message.reject_log_error(log, self.connection_errors)

        return careful
