"""A station: everything `hymo up` keeps running on one machine."""

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
    """The embedded server (if no broker is configured), the crew, and a reconciler.

    Its owner calls `look` about once a second. Entering starts, leaving drains and stops.

    Args:
        store: the database, at this program's schema.
        settings: of this home.
        workers: one a device.
        environ: of the worker processes; must lead them to the same home, database and broker.
        grace: seconds to wait for the crew to drain on leaving; None: as long as it takes.
        hurry: asked while the crew drains; True ends the workers at once.
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
        self._crew = Supervisor(workers=workers, environ={**environ, **home}, logs=logs)
        self._grace = grace
        self._hurry = hurry
        self._leaving = ExitStack()
        self._reconciled = float("-inf")

    @property
    def crew(self) -> Supervisor:
        """The worker processes."""
        return self._crew

    def __enter__(self) -> Self:
        """Start the server, publish what has no message, start the crew."""
        with ExitStack() as leaving:
            # Each step is taken whatever becomes of those before it: nothing is left behind.
            if self._broker is not None:
                leaving.callback(self._broker.stop)
            leaving.callback(self._publisher.close)
            leaving.callback(self._write_manifests)
            leaving.callback(self._end)
            self._settings.home.mkdir(parents=True, exist_ok=True)
            started = self._broker is not None and self._broker.ensure()
            self._reconcile(fresh=started)
            self._crew.start()
            self._leaving = leaving.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Drain the crew, end who does not, write the manifests, stop the server."""
        with self._leaving:
            drained = self._crew.drain(timeout=self._grace, hurry=self._hurry)
            if not drained and not self._hurry():
                log.warning("workers did not drain within %g s: ended", self._grace)

    def look(self) -> list[Exit]:
        """One turn: restart what fell, reconcile when due; the workers that fell."""
        if self._broker is not None and self._broker.ensure():
            log.warning("the embedded server was gone: started again")
            self._reconcile(fresh=True)
        fallen = self._crew.look()
        for one in fallen:
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
        return fallen

    def in_hand(self) -> int:
        """How many jobs the crew runs now.

        Raises:
            UnreachableError: the database is away.
        """
        host, pids = socket.gethostname(), set(self._crew.pids)
        rows = self._store.workers.rows(alive=self._settings.alive)
        return sum(
            row.running
            for row in rows
            if row.registration.host == host and row.registration.pid in pids
        )

    def _end(self) -> None:
        """End who is still there. That is somebody's wish, not the jobs' fault."""
        asked = self._crew.pids
        for one in self._crew.kill():
            fault = f"worker process {one.pid} ended with code {one.code}"
            self._take_back(one, None if one.pid in asked else fault)

    def _take_back(self, fallen: Exit, story: str | None) -> None:
        """End the leases of a process that is gone, rather than wait until they run out."""
        try:
            workers = self._store.workers.of_process(
                socket.gethostname(), fallen.pid, age=fallen.age
            )
            for worker_id in workers:
                expired = self._store.leases.expire_worker(
                    worker_id, story, backoff=exponential(self._settings.backoff)
                )
                self._store.workers.stop(worker_id)
                if expired:
                    after = ", ".join(f"{lease.job_id} {lease.state}" for lease in expired)
                    log.info("jobs of worker process %d, now: %s", fallen.pid, after)
        except UnreachableError as away:
            log.warning("leases of %s not ended, they will run out: %s", fallen.name, away)

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
