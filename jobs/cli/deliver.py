"""Telling the workers of jobs that became ready, where the broker can be reached."""

from __future__ import annotations

from contextlib import closing

from jobs.cli.render.tables import note
from jobs.errors import UnreachableError
from jobs.settings import Settings
from jobs.store.store import Store


def deliver(store: Store, settings: Settings) -> None:
    """Publish every job that waits for it; without a broker, say that delivery follows."""
    from jobs.delivery.publisher import Publisher
    from jobs.delivery.reconciler import deliver_missing

    try:
        with closing(Publisher(settings)) as publisher:
            deliver_missing(store, publisher)
    except UnreachableError as error:
        if error.service != "broker":
            raise
        reason = "is not running" if settings.embedded else f"is unreachable ({error.reason})"
        note(f"note: the broker {reason}; the jobs wait for `hymo up` or a worker")
