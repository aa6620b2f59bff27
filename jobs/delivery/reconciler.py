"""The reconciler: makes delivery follow the rows, whatever happened to workers or the broker.

Any number may run at once: expiry is decided in SQL, and a message too many does no harm.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from jobs.artifacts.manifest import write_manifest
from jobs.delivery.publisher import Publisher, Publishing
from jobs.domain.attempts import Expired
from jobs.domain.backoff import exponential
from jobs.errors import UnreachableError
from jobs.settings import Settings
from jobs.store.store import Store

log = logging.getLogger(__name__)

#: Seconds between two manifests of a batch that goes on: each is written as a whole.
MANIFEST = 60.0
#: Rows published in one go before the next look.
PAGE = 1000


@dataclass(frozen=True)
class Round:
    """What one round did.

    Attributes:
        expired: leases that had run out.
        published: rows that had no message.
        republished: rows whose message was presumed lost.
        manifests: batches whose manifest was written.
        broker: why the broker could not be reached; None when it could.
    """

    expired: tuple[Expired, ...] = ()
    published: int = 0
    republished: int = 0
    manifests: int = 0
    broker: str | None = None


class Reconciler:
    """One look at a time at expired leases, missing messages and stale manifests.

    Args:
        store: the database.
        publisher: the broker.
        settings: backoff and the age at which a message is presumed lost.
    """

    def __init__(self, *, store: Store, publisher: Publisher, settings: Settings) -> None:
        self._store = store
        self._publisher = publisher
        self._settings = settings
        self._backoff = exponential(settings.backoff)
        #: Batches that were already complained of.
        self._unwritable: set[int] = set()

    def round(self, *, fresh: bool = False) -> Round:
        """Look once. A broker that is away is reported, not raised: the rows are safe.

        Args:
            fresh: the broker was just started empty, so that no message need be old to be lost.

        Raises:
            UnreachableError: the database is away.
        """
        expired = tuple(self._store.leases.expire(backoff=self._backoff))
        for lease in expired:
            log.warning(
                "job %d: lease of %s (attempt %d) ran out; now %s",
                lease.job_id, lease.worker_name, lease.attempt, lease.state,
            )  # fmt: skip
        published = republished = 0
        away = None
        try:
            published = deliver_missing(self._store, self._publisher)
            republished = self._publish_lost(0.0 if fresh else self._settings.republish)
        except UnreachableError as error:
            if error.service != "broker":
                raise
            away = str(error)
        manifests = self.write_manifests(every=MANIFEST)
        return Round(expired, published, republished, manifests, away)

    def write_manifests(self, *, every: float = 0.0) -> int:
        """Write every manifest that is behind the database; how many there were.

        Args:
            every: leave those alone that somebody wrote less than so many seconds ago.
        """
        written = 0
        for batch in self._store.manifests.dirty(every=every):
            try:
                write_manifest(self._store, batch)
            except OSError as error:
                # The disk may be another machine's, or full: the batch stays dirty.
                if batch.id not in self._unwritable:
                    self._unwritable.add(batch.id)
                    log.warning(
                        "batch %s: its manifest cannot be written (said once, tried again): %s",
                        batch.name, error,
                    )  # fmt: skip
            else:
                written += 1
                self._unwritable.discard(batch.id)
        return written

    def _publish_lost(self, older_than: float) -> int:
        """Queues that hold fewer messages than rows wait for: the difference was lost."""
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
    """Publish (job id, queue) pairs and note that they were; how many.

    Raises:
        UnreachableError: the broker or the database did not answer.
    """
    publisher.publish(messages)
    store.delivery.mark_published([number for number, _ in messages])
    return len(messages)


def deliver_missing(store: Store, publisher: Publishing) -> int:
    """Publish every job that is ready and has no message; how many.

    Raises:
        UnreachableError: as `deliver`.
    """
    total = 0
    while pairs := store.delivery.unpublished(PAGE):
        total += deliver(store, publisher, pairs)
    return total
