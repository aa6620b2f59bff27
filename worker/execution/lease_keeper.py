"""The lease keeper: a thread that renews leases while the work makes progress."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from jobs.domain.attempts import Claim, Renewal
from jobs.errors import UnreachableError
from jobs.settings import Settings
from worker.execution.progress_stamp import ProgressStamp
from worker.execution.worker_queue import WorkerQueue

log = logging.getLogger(__name__)

#: How often cancel flags are looked for between renewals, seconds.
LOOK = 1.0


class HeldPack:
    """Claims while they are held, and what became of them meanwhile.

    Attributes:
        claims: of the pack.
        gone: the jobs that were lost or asked to stop, as far as is known. The lease keeper
            replaces it from its own thread.
    """

    def __init__(self, claims: Sequence[Claim]) -> None:
        self.claims = {claim.job_id: claim for claim in claims}
        self.gone = Renewal(lost=frozenset(), cancelled=frozenset())
        self._stopped: frozenset[int] = frozenset()

    def stopped(self, claim: Claim) -> bool:
        """Whether a job's loss or cancellation was noticed: it is not worked on any more."""
        return claim.job_id in self._stopped

    def notice(self) -> Renewal:
        """The jobs that are gone and were not noticed before; they count as stopped from now on."""
        gone = self.gone
        new = Renewal(
            lost=gone.lost - self._stopped, cancelled=gone.cancelled - gone.lost - self._stopped
        )
        self._stopped |= new.lost | new.cancelled
        return new


class LeaseKeeper:
    """Keeps the leases of the packs in hand, and tells them what became of their jobs.

    It has its own database connections, so that a busy sampling thread never delays a renewal. It
    renews only while the stamp is fresh: a hung device loses its jobs to a worker that works.

    Args:
        queue: renews.
        settings: renew, stall, deadline.
        stamp: touched by the work.
        expire: called once when nothing moved for `settings.deadline`; ends the process.
        heartbeat: called about every `settings.renew`, also without claims.
    """

    def __init__(
        self,
        *,
        queue: WorkerQueue,
        settings: Settings,
        stamp: ProgressStamp,
        expire: Callable[[Sequence[Claim]], None],
        heartbeat: Callable[[], None],
    ) -> None:
        self._queue = queue
        self._settings = settings
        self._stamp = stamp
        self._expire = expire
        self._heartbeat = heartbeat
        self._packs: tuple[HeldPack, ...] = ()
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

    @contextmanager
    def hold(self, claims: Sequence[Claim]) -> Iterator[HeldPack]:
        """Keep the leases of these claims for as long as the context lasts."""
        pack = HeldPack(claims)
        self._stamp.touch()  # first: a worker that was idle for long has made no progress
        with self._lock:
            self._packs += (pack,)
        try:
            yield pack
        finally:
            with self._lock:
                self._packs = tuple(other for other in self._packs if other is not pack)
            self._stamp.touch()

    def look(self, *, renew: bool) -> None:
        """Renew or only look, and end the process past its deadline."""
        packs = self._packs
        idle = self._stamp.age()
        if packs and idle > self._settings.deadline:
            self._expire([claim for pack in packs for claim in pack.claims.values()])
        ask = self._queue.renew if renew and idle <= self._settings.stall else self._queue.look
        for pack in packs:
            pack.gone = ask(list(pack.claims.values()))

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
                # It is tried again soon; if the database stays away the lease runs out, as it
                # should.
                log.warning("leases not renewed: %s", error)
                continue
            if due:
                since = 0.0
