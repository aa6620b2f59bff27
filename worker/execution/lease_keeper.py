"""The lease keeper: a thread that renews leases while their packs make progress."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from jobs.domain.attempts import Claim, Renewal
from jobs.errors import UnreachableError
from jobs.settings import Settings
from worker.errors import KeeperError
from worker.execution.progress_stamp import ProgressStamp
from worker.execution.worker_queue import WorkerQueue

log = logging.getLogger(__name__)

#: Seconds between two checks for cancelled jobs.
CHECK_INTERVAL = 1.0


class HeldPack:
    """A running pack, and which of its jobs were lost or cancelled meanwhile.

    Attributes:
        claims: job id → its claim, for the jobs that still belong to the pack.
        begun: whether its sampling has begun, so that its attempts count.
        waits: whether its work is done and only its files cannot be saved yet: its leases are
            renewed without progress, and no deadline ends it.
        gone: the jobs that are lost or cancelled, as of the last check. The lease keeper replaces
            it from its own thread.
    """

    def __init__(self, claims: Sequence[Claim], *, begun: bool = True, waits: bool = False) -> None:
        self.begun = begun
        self.waits = waits
        self.claims = {claim.job_id: claim for claim in claims}
        self.gone = Renewal(lost=frozenset(), cancelled=frozenset())
        self._stopped: frozenset[int] = frozenset()

    def leave(self, claims: Sequence[Claim]) -> None:
        """Take out jobs whose attempt this worker has ended: their leases are nobody's loss."""
        ended = {claim.job_id for claim in claims}
        # A new dict: the lease keeper may be reading the old one.
        self.claims = {
            job_id: claim for job_id, claim in self.claims.items() if job_id not in ended
        }

    def stopped(self, claim: Claim) -> bool:
        """Whether a job's loss or cancellation was noticed, so that work on it has stopped."""
        return claim.job_id in self._stopped

    def notice(self) -> Renewal:
        """Return the jobs that are newly lost or cancelled; from now on they count as stopped."""
        # The check may be older than the departure of a job.
        mine = self.claims.keys() - self._stopped
        gone = self.gone
        new = Renewal(lost=gone.lost & mine, cancelled=(gone.cancelled - gone.lost) & mine)
        self._stopped |= new.lost | new.cancelled
        return new


class LeaseKeeper:
    """Renews the leases of running packs, and finds their lost and cancelled jobs.

    It runs in a thread of its own, so that a busy sampling thread never delays a renewal. It
    renews only while the stamp is fresh: a hung worker loses its jobs to other workers. Errors are
    logged and the thread goes on, since without it there are neither renewals nor a deadline.

    Args:
        queue: renews the leases.
        settings: `renew`, `stall` and `deadline` are used.
        stamp: touched by the work.
        expire: called with the claims of `working` after no progress for `settings.deadline`; ends
            the process.
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
        self._fault: BaseException | None = None
        self._away = False
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

    def require_alive(self) -> None:
        """Raise `KeeperError` if the thread has died: no lease would be renewed any more."""
        if self._fault is not None:
            raise KeeperError(str(self._fault) or type(self._fault).__name__) from self._fault

    @property
    def unbegun(self) -> Sequence[Claim]:
        """The claims of packs whose sampling has not begun."""
        return [each for pack in self._packs if not pack.begun for each in pack.claims.values()]

    @property
    def working(self) -> Sequence[Claim]:
        """The claims of packs that are sampled, decoded or saved at this moment."""
        packs = [pack for pack in self._packs if pack.begun and not pack.waits]
        return [claim for pack in packs for claim in pack.claims.values()]

    @contextmanager
    def hold(self, claims: Sequence[Claim], *, waits: bool = False) -> Iterator[HeldPack]:
        """Renew the leases of these claims while the context is entered; `HeldPack.waits`."""
        pack = self.add(HeldPack(claims, waits=waits))
        try:
            yield pack
        finally:
            self.remove(pack)

    def add(self, pack: HeldPack) -> HeldPack:
        """Renew the leases of a pack from now on, and return it."""
        if not pack.waits:
            self._stamp.touch()  # before the pack is added: an idle worker has an old stamp
        with self._lock:
            self._packs += (pack,)
        return pack

    def remove(self, pack: HeldPack) -> None:
        """Renew the leases of a pack no longer; does nothing if it was removed before."""
        with self._lock:
            self._packs = tuple(other for other in self._packs if other is not pack)
        if not pack.waits:
            self._stamp.touch()

    def check(self, *, renew: bool) -> None:
        """Renew the leases, or only check for lost and cancelled jobs; enforce the deadline."""
        packs = self._packs
        idle = self._stamp.age()
        if any(not pack.waits for pack in packs) and idle > self._settings.deadline:
            self._expire(self.working)
        fresh = idle <= self._settings.stall
        for pack in packs:
            ask = self._queue.renew if renew and (fresh or pack.waits) else self._queue.look
            pack.gone = ask(list(pack.claims.values()))

    def _run(self) -> None:
        try:
            self._keep()
        except BaseException as error:  # raised again by `require_alive`
            log.critical("the lease keeper has ended", exc_info=True)
            self._fault = error

    def _keep(self) -> None:
        since = self._settings.renew
        pause = min(CHECK_INTERVAL, self._settings.renew)
        while not self._stop.wait(pause):
            since += pause
            due = since >= self._settings.renew
            seen = not due or self._done(self._heartbeat, "heartbeat not written")
            checked = self._done(partial(self.check, renew=due), "leases not renewed")
            if seen and checked:
                self._away = False
                since = 0.0 if due else since

    def _done(self, call: Callable[[], object], failed: str) -> bool:
        """Whether the call succeeded. Else it is logged and soon called again.

        If the database stays unreachable the leases expire, as intended.
        """
        try:
            call()
        except UnreachableError as error:
            if not self._away:
                log.warning("%s: %s", failed, error)
            self._away = True
            return False
        except Exception:
            log.exception("%s", failed)
            return False
        return True
