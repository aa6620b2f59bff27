"""The lease keeper: a thread that renews leases while the work makes progress."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from jobs.domain.attempts import Claim, Renewal
from jobs.errors import UnreachableError
from jobs.settings import Settings
from jobs.store.store import Store
from worker.execution.progress_stamp import ProgressStamp

log = logging.getLogger(__name__)

#: How often cancel flags are looked for between renewals, seconds.
LOOK = 1.0


class LeaseKeeper:
    """Keeps the leases of the pack in hand, and knows what became of them.

    It has its own database connections, so that a busy sampling thread never delays a renewal. It
    renews only while the stamp is fresh: a hung device loses its jobs to a worker that works.

    Args:
        store: the database.
        worker_id: whose claims they are.
        settings: lease, renew, stall, deadline.
        stamp: touched by the work.
        expire: called once when nothing moved for `settings.deadline`; ends the process.
        heartbeat: called about every `settings.renew`, also without claims.
    """

    def __init__(
        self,
        *,
        store: Store,
        worker_id: int,
        settings: Settings,
        stamp: ProgressStamp,
        expire: Callable[[Sequence[Claim]], None],
        heartbeat: Callable[[], None],
    ) -> None:
        self._store = store
        self._worker_id = worker_id
        self._settings = settings
        self._stamp = stamp
        self._expire = expire
        self._heartbeat = heartbeat
        self._claims: tuple[Claim, ...] = ()
        self._gone = Renewal(lost=frozenset(), cancelled=frozenset())
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lease-keeper", daemon=True)

    def start(self) -> None:
        """Begin renewing."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; leases are left to run out or to be ended by whoever holds them."""
        self._stop.set()
        self._thread.join(timeout=30)

    def hold(self, claims: Sequence[Claim]) -> None:
        """Keep these leases from now on, and forget what was known of others."""
        with self._lock:
            self._claims = tuple(claims)
            self._gone = Renewal(lost=frozenset(), cancelled=frozenset())
        self._stamp.touch()

    def gone(self) -> Renewal:
        """Which held jobs were lost or asked to stop, as far as is known."""
        with self._lock:
            return self._gone

    def look(self, *, renew: bool) -> None:
        """One turn: renew or only look, and end the process past its deadline."""
        with self._lock:
            claims = self._claims
        idle = self._stamp.age()
        if claims and idle > self._settings.deadline:
            self._expire(claims)
        if not claims:
            return
        if renew and idle <= self._settings.stall:
            found = self._store.leases.renew(self._worker_id, claims, lease=self._settings.lease)
        else:
            found = self._store.leases.look(self._worker_id, claims)
        with self._lock:
            if self._claims is claims:
                self._gone = found

    def _run(self) -> None:
        since = self._settings.renew
        pause = min(LOOK, self._settings.renew)
        while not self._stop.wait(pause):
            since += pause
            due = since >= self._settings.renew
            try:
                if due:
                    self._heartbeat()
                self.look(renew=due)
            except UnreachableError as error:
                # The next turn tries again; if it stays away the lease runs out, as it should.
                log.warning("leases not renewed: %s", error)
                continue
            if due:
                since = 0.0
