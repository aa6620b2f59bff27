"""A node: the processes that `hymo up` keeps running on one machine."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from types import TracebackType
from typing import Self

from jobs.delivery.embedded import EmbeddedBroker
from jobs.delivery.publisher import Publisher
from jobs.delivery.reconciler import Reconciler, deliver_missing
from jobs.domain.outage import Outage
from jobs.domain.workers import WorkerRow
from jobs.errors import UnreachableError
from jobs.home import make_home
from jobs.settings import Settings
from jobs.store.store import Store
from worker.options import WorkerOptions
from worker.rotation import LogRotation
from worker.supervision.supervisor import Exit, Supervisor, tail

log = logging.getLogger(__name__)

#: Seconds between two looks at the pauses of the workers and the sizes of the logs.
LOOK = 2.0


class Node:
    """The embedded server (if no broker is configured), the workers, and a reconciler.

    Entering starts them; leaving drains and stops them. The caller calls `check` about once a
    second. While the database is away the node waits for it and goes on restarting workers; what
    it could not write is written once the database is back.

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
        self._supervisor = Supervisor(
            workers=workers,
            environ={**environ, **home},
            logs=settings.home / "logs",
            away=lambda: not self._reaches(store.time),
        )
        self._logs = LogRotation(settings)
        self._outage = Outage(say=log.warning)
        #: Exited processes whose leases are still to be ended, and when they exited.
        self._ended: list[tuple[Exit, str | None, float]] = []
        #: (worker, scope, subject) → the reason of a pause that was logged.
        self._paused: dict[tuple[str, str, str], str] = {}
        self._look = 0.0  # when to look at the pauses and logs again
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
            make_home(self._settings.home)
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
        gone = self._outage.seconds
        exits = self._supervisor.check()
        for one in exits:
            # Started since the database went away: it has no lease, and exits again and again.
            if one.away and one.age < gone:
                continue
            log.warning(
                "worker %s exited with code %d%s; last lines of %s:\n%s",
                one.name,
                one.code,
                "" if one.final else ", restarting",
                one.log,
                tail(one.log),
            )
            self._end_leases(one)
        if exits:
            self._reconcile(self._deliver)
        if self._reconciler.due:
            self._reconcile(self._reconciler.round)
        if time.monotonic() >= self._look:
            self._look = time.monotonic() + LOOK
            self._reaches(self._log_pauses)
            self._logs.rotate()
        return exits

    def running_jobs(self) -> int:
        """The number of jobs that the workers are running.

        Raises:
            UnreachableError: the database does not answer.
        """
        return sum(row.running for row in self._rows())

    def starts(self) -> bool:
        """Whether a worker process has not registered yet; raises `UnreachableError`."""
        return len(self._rows()) < len(self._supervisor.pids)

    def _rows(self) -> list[WorkerRow]:
        """The registrations of the worker processes."""
        host, pids = socket.gethostname(), set(self._supervisor.pids)
        rows = self._store.workers.rows(alive=self._settings.alive)
        return [
            row for row in rows if row.registration.host == host and row.registration.pid in pids
        ]

    def _log_pauses(self) -> None:
        """Log the pauses of the workers that began or ended since the last call.

        As information, since `hymo run` logs only warnings: its progress shows the reason.
        """
        offers = [row.registration.offer for row in self._rows()]
        paused = {
            (offer.name, pause.scope.value, pause.subject): pause.reason
            for offer in offers
            for pause in offer.pauses
        }
        for key, reason in paused.items():
            if self._paused.get(key) != reason:
                log.info("worker %s waits: %s", key[0], reason)
        names = {offer.name for offer in offers}
        for key in self._paused.keys() - paused.keys():
            if key[0] in names:  # else the worker has exited, which was said
                log.info("worker %s waits no longer: %s", key[0], self._paused[key])
        self._paused = paused

    def _end(self) -> None:
        """End the workers that still run. Their jobs are released without an error."""
        asked = self._supervisor.pids
        for one in self._supervisor.kill():
            self._end_leases(one, asked=one.pid in asked)
        for one, _, _ in self._ended:
            log.warning("leases of %s not ended, they will expire", one.name)

    def _end_leases(self, exit_: Exit, *, asked: bool = False) -> None:
        """End the leases of an exited process, so that its jobs need not wait until they expire.

        Its jobs count as lost unless it was asked to exit or the database was away. While the
        database is away this is put off until it is back.
        """
        story = None if asked or exit_.away else exit_.story
        self._ended.append((exit_, story, time.monotonic()))
        self._reaches(self._end_all_leases)

    def _end_all_leases(self) -> None:
        while self._ended:
            exit_, story, at = self._ended[0]
            alive, age = self._settings.alive, exit_.age + time.monotonic() - at
            for worker_id in self._store.workers.of_process(
                socket.gethostname(), exit_.pid, age=age
            ):
                expired = self._store.leases.expire_worker(worker_id, story, alive=alive)
                self._store.workers.stop(worker_id)
                if expired:
                    after = ", ".join(f"{lease.job_id} {lease.state}" for lease in expired)
                    log.info("jobs of worker process %d, now: %s", exit_.pid, after)
            del self._ended[0]

    def _write_manifests(self) -> None:
        def call() -> None:
            self._reconciler.give_up()
            self._reconciler.write_manifests()

        self._reaches(call)

    def _reconcile(self, call: Callable[[], object]) -> None:
        def reconcile() -> None:
            # A round would end leases of exited processes as lost if they have expired.
            self._end_all_leases()
            call()

        self._reaches(reconcile)

    def _deliver(self) -> None:
        """Publish the jobs of an exited process: another worker may be idle."""
        try:
            deliver_missing(self._store, self._publisher)
        except UnreachableError as error:
            if error.service != "broker":
                raise
            log.warning("%s", error)

    def _reaches(self, call: Callable[[], object]) -> bool:
        """Make a call of the database. Returns whether it answered, and can be written."""
        try:
            call()
            self._store.require_room()
        except UnreachableError as error:
            self._outage.away(error)
            return False
        self._outage.back()
        return True
