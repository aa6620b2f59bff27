"""The lease keeper: a thread that renews leases while their packs make progress."""

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

#: Seconds between two checks for cancelled jobs.
CHECK_INTERVAL = 1.0


class HeldPack:
    """A running pack, and which of its jobs were lost or cancelled meanwhile.

    Attributes:
        claims: the claims of the pack.
        waits: whether its work is done and only its files cannot be saved yet: its leases are
            renewed without progress, and no deadline ends it.
        gone: the jobs that are lost or cancelled, as of the last check. The lease keeper replaces
            it from its own thread.
    """

    def __init__(self, claims: Sequence[Claim], *, waits: bool = False) -> None:
        self.waits = waits
        self.claims = {claim.job_id: claim for claim in claims}
        self.gone = Renewal(lost=frozenset(), cancelled=frozenset())
        self._stopped: frozenset[int] = frozenset()

    def stopped(self, claim: Claim) -> bool:
        """Whether a job's loss or cancellation was noticed, so that work on it has stopped."""
        return claim.job_id in self._stopped

    def notice(self) -> Renewal:
        """Return the jobs that are newly lost or cancelled; from now on they count as stopped."""
        gone = self.gone
        new = Renewal(
            lost=gone.lost - self._stopped, cancelled=gone.cancelled - gone.lost - self._stopped
        )
        self._stopped |= new.lost | new.cancelled
        return new


class LeaseKeeper:
    """Renews the leases of running packs, and finds their lost and cancelled jobs.

    It runs in a thread of its own, so that a busy sampling thread never delays a renewal. It
    renews only while the stamp is fresh: a hung worker loses its jobs to other workers.

    Args:
        queue: renews the leases.
        settings: `renew`, `stall` and `deadline` are used.
        stamp: touched by the work.
        expire: called after no progress for `settings.deadline`; ends the process.
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
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread. Leases that are still held are not ended; they expire."""
        self._stop.set()
        self._thread.join(timeout=30)

    @property
    def job_ids(self) -> frozenset[int]:
        """The jobs of all running packs."""
        return frozenset(job_id for pack in self._packs for job_id in pack.claims)

    @contextmanager
    def hold(self, claims: Sequence[Claim], *, waits: bool = False) -> Iterator[HeldPack]:
        """Renew the leases of these claims while the context is entered; `HeldPack.waits`."""
        pack = HeldPack(claims, waits=waits)
        if not waits:
            self._stamp.touch()  # before the pack is added: an idle worker has an old stamp
        with self._lock:
            self._packs += (pack,)
        try:
            yield pack
        finally:
            with self._lock:
                self._packs = tuple(other for other in self._packs if other is not pack)
            if not waits:
                self._stamp.touch()

    def check(self, *, renew: bool) -> None:
        """Renew the leases, or only check for lost and cancelled jobs; enforce the deadline."""
        packs = self._packs
        idle = self._stamp.age()
        working = [claim for pack in packs if not pack.waits for claim in pack.claims.values()]
        if working and idle > self._settings.deadline:
            self._expire(working)
        fresh = idle <= self._settings.stall
        for pack in packs:
            ask = self._queue.renew if renew and (fresh or pack.waits) else self._queue.look
            pack.gone = ask(list(pack.claims.values()))

    def _run(self) -> None:
        since = self._settings.renew
        pause = min(CHECK_INTERVAL, self._settings.renew)
        away = False
        while not self._stop.wait(pause):
            since += pause
            due = since >= self._settings.renew
            try:
                if due:
                    self._heartbeat()
                self.check(renew=due)
            except UnreachableError as error:
                # Retried soon. If the database stays unreachable the leases expire, as intended.
                if not away:
                    log.warning("leases not renewed: %s", error)
                away = True
                continue
            away = False
            if due:
                since = 0.0
