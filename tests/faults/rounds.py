"""A process that ends leases as fast as it can until no job runs; prints whom it ended, as JSON.

One process a broker does so at a time, but while its duty passes to another there may be two.
"""

from __future__ import annotations

import json
import os
import sys

from jobs.domain.states import State
from jobs.settings import Settings
from jobs.store.store import Store


def main() -> None:
    """Wait for a line on stdin, then go, so that several of these begin together."""
    settings = Settings.read(os.environ)
    with Store.open(settings.database_url) as store:
        batch = store.batches.list()[0]
        print("ready", flush=True)
        sys.stdin.readline()
        expired: list[int] = []
        while State.RUNNING in store.batches.counts(batch.id):
            expired += [one.job_id for one in store.leases.expire()]
        print(json.dumps(expired), flush=True)


if __name__ == "__main__":
    main()
