"""The reconciler: expires leases and republishes messages that workers or the broker lost.

Any number may run at once: leases are expired in SQL, and duplicate messages are harmless.
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

#: Seconds between manifests of an unfinished batch, since each is written as a whole.
MANIFEST = 60.0
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
        settings: backoff and the age at which a message is presumed lost.
    """

    def __init__(self, *, store: Store, publisher: Publisher, settings: Settings) -> None:
        self._store = store
        self._publisher = publisher
        self._settings = settings
        self._backoff = exponential(settings.backoff)
        #: Batches whose unwritable manifest was already logged.
        self._unwritable: set[int] = set()

    def round(self, *, fresh: bool = False) -> Round:
        """Run one round. An unreachable broker is reported in the result, not raised.

        Args:
            fresh: the broker just started empty, so messages of any age are lost.

        Raises:
            UnreachableError: the database does not answer.
        """
        expired = tuple(self._store.leases.expire(backoff=self._backoff))
        for lease in expired:
            log.warning(
                "job %d: lease of %s (attempt %d) expired; now %s",
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
        """Write every manifest that is out of date and return how many were written.

        Args:
            every: skip manifests written less than this many seconds ago.
        """
        written = 0
        for batch in self._store.manifests.dirty(every=every):
            try:
                write_manifest(self._store, batch)
            except OSError as error:
                # The disk may be full, or only on another machine: the batch stays dirty.
                if batch.id not in self._unwritable:
                    self._unwritable.add(batch.id)
                    log.warning(
                        "batch %s: cannot write its manifest (retrying; logged once): %s",
                        batch.name, error,
                    )  # fmt: skip
            else:
                written += 1
                self._unwritable.discard(batch.id)
        return written

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
