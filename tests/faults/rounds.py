"""A process that reconciles as fast as it can until no job runs; prints whom it ended, as JSON."""

from __future__ import annotations

import json
import os
import sys
from contextlib import closing

from jobs.delivery.publisher import Publisher
from jobs.delivery.reconciler import Reconciler
from jobs.domain.states import State
from jobs.settings import Settings
from jobs.store.store import Store


def main() -> None:
    """Wait for a line on stdin, then go, so that several of these begin together."""
    settings = Settings.read(os.environ)
    with Store.open(settings.database_url) as store, closing(Publisher(settings)) as publisher:
        batch = store.batches.list()[0]
        reconciler = Reconciler(store=store, publisher=publisher, settings=settings)
        print("ready", flush=True)
        sys.stdin.readline()
        expired: list[int] = []
        while State.RUNNING in store.batches.counts(batch.id):
            expired += [one.job_id for one in reconciler.round().expired]
        print(json.dumps(expired), flush=True)


if __name__ == "__main__":
    main()
