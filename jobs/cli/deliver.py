"""Publish jobs after a command made them ready."""

from __future__ import annotations

from contextlib import closing

from jobs.cli.render.tables import note
from jobs.errors import UnreachableError
from jobs.settings import Settings
from jobs.store.store import Store


def deliver(store: Store, settings: Settings) -> None:
    """Publish every unpublished job; if the broker is unreachable, print a note."""
    from jobs.delivery.publisher import Publisher
    from jobs.delivery.reconciler import deliver_missing

    try:
        with closing(Publisher(settings)) as publisher:
            deliver_missing(store, publisher)
    except UnreachableError as error:
        if error.service != "broker":
            raise
        reason = "is not running" if settings.embedded else f"{error.state} ({error.reason})"
        note(f"note: the broker {reason}; the jobs wait for `hymo up` or a worker")
