"""A node: the processes that `hymo up` keeps running on one machine."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from types import TracebackType
from typing import Self

from jobs.delivery.embedded import EmbeddedBroker
from jobs.delivery.publisher import Publisher
from jobs.delivery.reconciler import Reconciler, deliver_missing
from jobs.errors import UnreachableError
from jobs.settings import Settings
from jobs.store.store import Store
from worker.options import WorkerOptions
from worker.supervision.supervisor import Exit, Supervisor, tail

log = logging.getLogger(__name__)


class Node:
    """The embedded server (if no broker is configured), the workers, and a reconciler.

    Entering starts them; leaving drains and stops them. The caller calls `check` about once a
    second.

    Args:
        store: the database, with the current schema.
        settings: the settings of this home.
        workers: the options of each worker.
        environ: environment of the worker processes; must name the same database and broker.
        grace: seconds to wait for the workers to drain on leaving; None: no limit.
        hurry: polled while the workers drain; if True they are ended at once.
    """

    def __init__(
        self,
        *,
        store: Store,
        settings: Settings,
        workers: Sequence[WorkerOptions],
        environ: Mapping[str, str],
        grace: float | None = None,
        hurry: Callable[[], bool] = lambda: False,
    ) -> None:
        self._store = store
        self._settings = settings
        self._broker = EmbeddedBroker(settings) if settings.embedded else None
        self._publisher = Publisher(settings)
        self._reconciler = Reconciler(store=store, publisher=self._publisher, settings=settings)
        home = {"HYMO_HOME": str(settings.home)}
        logs = settings.home / "logs"
        self._supervisor = Supervisor(workers=workers, environ={**environ, **home}, logs=logs)
        self._grace = grace
        self._hurry = hurry
        self._leaving = ExitStack()

    @property
    def supervisor(self) -> Supervisor:
        """The worker processes."""
        return self._supervisor

    def __enter__(self) -> Self:
        """Start the server, publish jobs that have no message, start the workers."""
        with ExitStack() as leaving:
            # Every step runs even if an earlier one fails.
            if self._broker is not None:
                leaving.callback(self._broker.stop)
            leaving.callback(self._publisher.close)
            leaving.callback(self._write_manifests)
            leaving.callback(self._end)
            self._settings.home.mkdir(parents=True, exist_ok=True)
            started = self._broker is not None and self._broker.ensure()
            # Whoever held the duty in an earlier `hymo up` that was killed does so no longer.
            self._reconcile(partial(self._reconciler.round, fresh=started, seize=True))
            self._supervisor.start()
            self._leaving = leaving.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Drain the workers, end those that do not drain, write manifests, stop the server."""
        with self._leaving:
            drained = self._supervisor.drain(timeout=self._grace, hurry=self._hurry)
            if not drained and not self._hurry():
                log.warning("workers did not drain within %g s; ending them", self._grace)

    def check(self) -> list[Exit]:
        """Restart exited processes and reconcile when due. Returns the workers that exited."""
        if self._broker is not None and self._broker.ensure():
            log.warning("the embedded server had exited and was restarted")
            self._reconcile(partial(self._reconciler.round, fresh=True, seize=True))
        exits = self._supervisor.check()
        for one in exits:
            log.warning(
                "worker %s exited with code %d%s; last lines of %s:\n%s",
                one.name,
                one.code,
                "" if one.final else ", restarting",
                one.log,
                tail(one.log),
            )
            self._end_leases(one, one.story)
        if exits:
            # Another worker may be idle.
            self._reconcile(partial(deliver_missing, self._store, self._publisher))
        self._reconcile(self._reconciler.check)
        return exits

    def running_jobs(self) -> int:
        """The number of jobs that the workers are running.

        Raises:
            UnreachableError: the database does not answer.
        """
        host, pids = socket.gethostname(), set(self._supervisor.pids)
        rows = self._store.workers.rows(alive=self._settings.alive)
        return sum(
            row.running
            for row in rows
            if row.registration.host == host and row.registration.pid in pids
        )

    def _end(self) -> None:
        """End the workers that still run. Their jobs are released without an error."""
        asked = self._supervisor.pids
        for one in self._supervisor.kill():
            self._end_leases(one, None if one.pid in asked else one.story)

    def _end_leases(self, exit_: Exit, error: str | None) -> None:
        """End the leases of an exited process, so that its jobs need not wait until they expire."""
        try:
            workers = self._store.workers.of_process(socket.gethostname(), exit_.pid, age=exit_.age)
            for worker_id in workers:
                alive = self._settings.alive
                expired = self._store.leases.expire_worker(worker_id, error, alive=alive)
                self._store.workers.stop(worker_id)
                if expired:
                    after = ", ".join(f"{lease.job_id} {lease.state}" for lease in expired)
                    log.info("jobs of worker process %d, now: %s", exit_.pid, after)
        except UnreachableError as away:
            log.warning("leases of %s not ended, they will expire: %s", exit_.name, away)

    def _write_manifests(self) -> None:
        try:
            self._reconciler.give_up()
            self._reconciler.write_manifests()
        except UnreachableError as away:
            log.warning("manifests not written: %s", away)

    def _reconcile(self, call: Callable[[], object]) -> None:
        try:
            call()
        except UnreachableError as error:
            log.warning("reconciliation failed: %s", error)
