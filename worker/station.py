"""A station: everything `hymo up` keeps running on one machine."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from jobs.broker import EmbeddedBroker
from jobs.errors import UnreachableError
from jobs.publish import Publisher
from jobs.reconcile import Reconciler, Round
from jobs.settings import Settings
from jobs.store.store import Store
from worker.crew import Crew, Fallen, tail
from worker.options import WorkerOptions

log = logging.getLogger(__name__)


class Station:
    """The embedded server (if no broker is configured), the crew, and a reconciler.

    Its owner calls `look` about once a second. Entering starts, leaving drains and stops.

    Args:
        store: the database, at this program's schema.
        settings: of this home.
        workers: one a device.
        environ: of the worker processes; must lead them to the same home, database and broker.
        grace: seconds to wait for the crew to drain on leaving; None: as long as it takes.
    """

    def __init__(
        self,
        *,
        store: Store,
        settings: Settings,
        workers: Sequence[WorkerOptions],
        environ: Mapping[str, str],
        grace: float | None = None,
    ) -> None:
        self._settings = settings
        self._broker = EmbeddedBroker(settings) if settings.embedded else None
        self._publisher = Publisher(settings)
        self._reconciler = Reconciler(store=store, publisher=self._publisher, settings=settings)
        home = {"HYMO_HOME": str(settings.home)}
        logs = settings.home / "logs"
        self._crew = Crew(workers=workers, environ={**environ, **home}, logs=logs)
        self._grace = grace
        self._reconciled = float("-inf")

    @property
    def crew(self) -> Crew:
        """The worker processes."""
        return self._crew

    def __enter__(self) -> Self:
        """Start the server, publish what has no message, start the crew."""
        self._settings.home.mkdir(parents=True, exist_ok=True)
        if self._broker is not None:
            self._broker.ensure()
        self._reconcile()
        self._crew.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Drain the crew, write the manifests, stop the server."""
        if not self._crew.drain(timeout=self._grace):
            log.warning("workers did not drain within %g s: ended", self._grace)
            self._crew.kill()
        try:
            self._reconciler.write_manifests()
        except UnreachableError as away:
            log.warning("manifests not written: %s", away)
        self._publisher.close()
        if self._broker is not None:
            self._broker.stop()

    def look(self) -> list[Fallen]:
        """One turn: restart what fell, reconcile when due; the workers that fell."""
        if self._broker is not None and self._broker.ensure():
            log.warning("the embedded server was gone: started again")
            self._reconciled = float("-inf")
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
        if time.monotonic() - self._reconciled >= self._settings.reconcile:
            self._reconcile()
        return fallen

    def _reconcile(self) -> Round | None:
        self._reconciled = time.monotonic()
        try:
            return self._reconciler.round()
        except UnreachableError as error:
            log.warning("not reconciled: %s", error)
            return None
