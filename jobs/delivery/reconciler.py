"""The reconciler: expires leases and republishes messages that workers or the broker lost.

Every worker and every `hymo up` has one. Of those with the same broker, one holds the duty and does
the work. Two at once would do no harm, since leases are expired in SQL and duplicate messages are
ignored, but each of them costs the database and the broker as much as the first.
"""

from __future__ import annotations

import logging
import math
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from jobs.artifacts.manifest import write_manifest
from jobs.delivery.broker import identity
from jobs.delivery.clock_check import ClockCheck
from jobs.delivery.publisher import Publisher, Publishing
from jobs.domain.attempts import Expired
from jobs.domain.states import State
from jobs.errors import UnreachableError
from jobs.settings import Settings
from jobs.store.duties import Duty
from jobs.store.queue.endings import AVOIDED_LOST
from jobs.store.store import Store

log = logging.getLogger(__name__)

#: Seconds between manifests of an unfinished batch, since each is written as a whole.
MANIFEST = 60.0
#: Seconds after which a process without the duty writes a manifest: the holder may not see the
#: batch's folder.
OVERDUE = 180.0
#: Seconds after the end of a lease at which it is looked at.
LATE = 0.2
#: Seconds after the end of a lease at which a process without the duty takes it, unless the holder
#: has extended it meanwhile. A holder that lives does that `LATE` seconds after the end.
NEGLECTED = 3.0
#: Rows published at a time.
PAGE = 1000


@dataclass(frozen=True)
class Round:
    """The result of one round.

    Attributes:
        expired: leases that expired.
        published: number of jobs without a message that were published.
        republished: number of jobs published again because their message was presumed lost.
        manifests: number of manifests written.
        broker: why the broker could not be reached; None if it could.
    """

    expired: tuple[Expired, ...] = ()
    published: int = 0
    republished: int = 0
    manifests: int = 0
    broker: str | None = None


class Reconciler:
    """Handles expired leases, missing messages and stale manifests, one round at a time.

    Args:
        store: the database.
        publisher: the broker.
        settings: `lease`, `renew`, `reconcile` and the age at which a message is presumed lost.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        *,
        store: Store,
        publisher: Publisher,
        settings: Settings,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._publisher = publisher
        self._settings = settings
        self._clock = clock
        self._clocks = ClockCheck(settings, clock=clock)
        self._duty = f"maintenance {identity(settings)}"
        self._holder = uuid.uuid4().hex
        # The holder must extend its duty before it ends, however rare the rounds are.
        self._pause = min(settings.reconcile, settings.lease / 3)
        self._due = clock() + self._pause
        self._overdue = clock() + OVERDUE
        #: When lost jobs that another device did not take may run on their own again.
        self._open = math.inf
        #: Batches whose unwritable manifest was already logged.
        self._unwritable: set[int] = set()

    @property
    def due(self) -> bool:
        """Whether a round is due."""
        return self._clock() >= self._due

    def round(self, *, fresh: bool = False, seize: bool = False) -> Round:
        """Run one round. An unreachable broker is reported in the result, not raised.

        Without the duty this only looks whether its holder still extends it and ends leases.

        Args:
            fresh: the broker just started empty, so messages of any age are lost.
            seize: take the duty from whoever holds it.

        Raises:
            UnreachableError: the database does not answer.
        """
        self._due = self._clock() + self._pause
        hold = partial(
            self._store.duties.hold, self._duty, self._holder, lease=self._settings.lease
        )
        duty = hold(seize=seize)
        self._clocks.read(duty.now)
        if not duty.mine and (idle := self._neglected(duty)) is not None:
            duty = hold(idle=idle)
        if not duty.mine:
            self._due = min(self._due, self._clock() + duty.left + LATE)
            return Round(manifests=self._write_overdue())
        expired = self._expire()
        published = republished = 0
        away = None
        try:
            published = deliver_missing(self._store, self._publisher)
            republished = self._publish_lost(0.0 if fresh else self._age())
        except UnreachableError as error:
            if error.service != "broker":
                raise
            away = str(error)
        manifests = self.write_manifests(every=MANIFEST)
        return Round(expired, published, republished, manifests, away)

    def give_up(self) -> None:
        """Leave the duty to the next process at once. Called when this one ends.

        Raises:
            UnreachableError: the database does not answer; the duty ends with its lease.
        """
        self._store.duties.give_up(self._duty, self._holder)

    def _neglected(self, duty: Duty) -> float | None:
        """Seconds since the end of a lease for which the holder did nothing; None: it lives.

        Without this, jobs whose worker was killed before the holder would wait for two leases.
        """
        left = self._store.leases.left()
        if left is None:
            return None
        # A holder that lives but ends no lease for now extends the duty in each of its rounds.
        idle = min(-left, self._pause + NEGLECTED)
        if left <= -NEGLECTED and duty.age > idle:
            return idle
        wait = left if left > -NEGLECTED else self._pause - duty.age
        self._due = min(self._due, self._clock() + wait + NEGLECTED + LATE)
        return None

    def _age(self) -> float:
        """The age from which a message may be presumed lost.

        A worker that had to leave a lost job to other devices has taken its message for nothing.
        """
        if self._clock() < self._open:
            self._due = min(self._due, self._open)
            return self._settings.republish
        self._open = math.inf
        return min(self._settings.republish, AVOIDED_LOST / 2)

    def _expire(self) -> tuple[Expired, ...]:
        """End expired leases, and come back when the next one ends."""
        again = self._store.leases.realign()
        if again:
            log.warning("the database's clock was set back: %d leases begin anew", again)
        quiet = self._clocks.quiet
        expired = () if quiet else tuple(self._store.leases.expire(alive=self._settings.alive))
        for lease in expired:
            log.warning(
                "job %d: lease of %s (attempt %d) expired; now %s",
                lease.job_id, lease.worker_name, lease.attempt, lease.state,
            )  # fmt: skip
        if any(lease.state is State.QUEUED for lease in expired):
            self._open = min(self._open, self._clock() + AVOIDED_LOST + LATE)
        left = self._store.leases.left()
        if left is not None:
            # Also while no lease is ended: the duty, which is extended then, would look neglected.
            self._due = min(self._due, self._clock() + (left if left > 0 else quiet) + LATE)
        return expired

    def write_manifests(self, *, every: float = 0.0) -> int:
        """Write every manifest that is out of date and return how many were written.

        Args:
            every: skip manifests written less than this many seconds ago.
        """
        written = 0
        for batch in self._store.manifests.dirty(every=every):
            try:
                written += write_manifest(self._store, batch, self._settings.output_roots)
            except OSError as error:
                # The disk may be full, or only on another machine: the batch stays dirty.
                if batch.id not in self._unwritable:
                    self._unwritable.add(batch.id)
                    log.warning(
                        "batch %s: cannot write its manifest (retrying; logged once): %s",
                        batch.name, error,
                    )  # fmt: skip
            else:
                self._unwritable.discard(batch.id)
        return written

    def _write_overdue(self) -> int:
        """Write the manifests that the holder of the duty does not write."""
        if self._clock() < self._overdue:
            return 0
        self._overdue = self._clock() + OVERDUE
        return self.write_manifests(every=OVERDUE)

    def _publish_lost(self, older_than: float) -> int:
        """Republish the oldest jobs of queues with fewer messages than waiting jobs."""
        waiting = self._store.delivery.waiting()
        depth = self._publisher.depth(list(waiting)) if waiting else {}
        total = 0
        for queue, rows in waiting.items():
            missing = rows - depth[queue]
            if missing <= 0:
                continue
            ids = self._store.delivery.oldest(queue, missing, older_than=older_than)
            for start in range(0, len(ids), PAGE):
                pairs = [(number, queue) for number in ids[start : start + PAGE]]
                total += deliver(self._store, self._publisher, pairs)
        return total


def deliver(store: Store, publisher: Publishing, messages: Sequence[tuple[int, str]]) -> int:
    """Publish (job id, queue) pairs, mark the jobs as published, and return how many.

    Raises:
        UnreachableError: the broker or the database did not answer.
    """
    publisher.publish(messages)
    store.delivery.mark_published([number for number, _ in messages])
    return len(messages)


def deliver_missing(store: Store, publisher: Publishing) -> int:
    """Publish every ready job that has no message and return how many; raises like `deliver`."""
    total = 0
    while pairs := store.delivery.unpublished(PAGE):
        total += deliver(store, publisher, pairs)
    return total
