"""A node: everything that `hymo up` keeps running on one machine."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from jobs.delivery.embedded import EmbeddedBroker
from jobs.delivery.publisher import Publisher
from jobs.delivery.reconciler import Reconciler, Round
from jobs.domain.backoff import exponential
from jobs.errors import UnreachableError
from jobs.settings import Settings
from jobs.store.store import Store
from worker.options import WorkerOptions
from worker.supervision.supervisor import Exit, Supervisor, tail

log = logging.getLogger(__name__)


class Node:
    """The embedded server (if no broker is configured), the workers, and a reconciler.

    Its owner calls `look` about once a second. Entering starts them; leaving drains and stops them.

    Args:
        store: the database, at this program's schema.
        settings: of this home.
        workers: options of each, one a device.
        environ: of the worker processes; must lead them to the same home, database and broker.
        grace: seconds to wait for the workers to drain on leaving; None: as long as it takes.
        hurry: asked while the workers drain; True ends them at once.
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
        self._reconciled = float("-inf")

    @property
    def supervisor(self) -> Supervisor:
        """The worker processes."""
        return self._supervisor

    def __enter__(self) -> Self:
        """Start the server, publish jobs that have no message, start the workers."""
        with ExitStack() as leaving:
            # Every step is taken even where an earlier one fails.
            if self._broker is not None:
                leaving.callback(self._broker.stop)
            leaving.callback(self._publisher.close)
            leaving.callback(self._write_manifests)
            leaving.callback(self._end)
            self._settings.home.mkdir(parents=True, exist_ok=True)
            started = self._broker is not None and self._broker.ensure()
            self._reconcile(fresh=started)
            self._supervisor.start()
            self._leaving = leaving.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Drain the workers, end those that do not, write the manifests, stop the server."""
        with self._leaving:
            drained = self._supervisor.drain(timeout=self._grace, hurry=self._hurry)
            if not drained and not self._hurry():
                log.warning("workers did not drain within %g s: ended", self._grace)

    def look(self) -> list[Exit]:
        """Restart what exited and reconcile when due; the worker processes that exited."""
        if self._broker is not None and self._broker.ensure():
            log.warning("the embedded server was gone: started again")
            self._reconcile(fresh=True)
        exits = self._supervisor.look()
        for one in exits:
            log.warning(
                "worker %s ended with %d%s; the end of %s:\n%s",
                one.name,
                one.code,
                "" if one.final else ", restarting",
                one.log,
                tail(one.log),
            )
            self._take_back(one, f"worker process {one.pid} ended with code {one.code}")
        if time.monotonic() - self._reconciled >= self._settings.reconcile:
            self._reconcile()
        return exits

    def in_hand(self) -> int:
        """How many jobs the workers run now.

        Raises:
            UnreachableError: the database is away.
        """
        host, pids = socket.gethostname(), set(self._supervisor.pids)
        rows = self._store.workers.rows(alive=self._settings.alive)
        return sum(
            row.running
            for row in rows
            if row.registration.host == host and row.registration.pid in pids
        )

    def _end(self) -> None:
        """End the workers that still run. Their jobs are not to blame for that."""
        asked = self._supervisor.pids
        for one in self._supervisor.kill():
            fault = f"worker process {one.pid} ended with code {one.code}"
            self._take_back(one, None if one.pid in asked else fault)

    def _take_back(self, exit_: Exit, error: str | None) -> None:
        """End the leases of a process that is gone, rather than wait until they run out."""
        try:
            workers = self._store.workers.of_process(socket.gethostname(), exit_.pid, age=exit_.age)
            for worker_id in workers:
                expired = self._store.leases.expire_worker(
                    worker_id, error, backoff=exponential(self._settings.backoff)
                )
                self._store.workers.stop(worker_id)
                if expired:
                    after = ", ".join(f"{lease.job_id} {lease.state}" for lease in expired)
                    log.info("jobs of worker process %d, now: %s", exit_.pid, after)
        except UnreachableError as away:
            log.warning("leases of %s not ended, they will run out: %s", exit_.name, away)

    def _write_manifests(self) -> None:
        try:
            self._reconciler.write_manifests()
        except UnreachableError as away:
            log.warning("manifests not written: %s", away)

    def _reconcile(self, *, fresh: bool = False) -> Round | None:
        self._reconciled = time.monotonic()
        try:
            return self._reconciler.round(fresh=fresh)
        except UnreachableError as error:
            log.warning("not reconciled: %s", error)
            return None
