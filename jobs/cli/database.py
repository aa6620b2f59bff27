"""Opening the store for a command: creates the embedded database, checks everyone's schema."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.engine import make_url

from jobs.settings import Settings
from jobs.store import schema
from jobs.store.engine import connect
from jobs.store.store import Store


@contextmanager
def open_store(settings: Settings) -> Iterator[Store]:
    """The store of these settings, open and at this program's schema.

    An SQLite file without tables gets them now. A server's schema is only ever changed by
    `hymo db upgrade`, so that a newer command never migrates under older workers.

    Raises:
        SchemaError: the database is at another schema version.
        UnreachableError: the database does not answer.
    """
    url = settings.database_url
    engine = connect(url)
    try:
        if make_url(url).get_backend_name() == "sqlite" and schema.current(engine) is None:
            schema.upgrade(url)
        schema.require_current(engine)
        with Store(engine) as store:
            yield store
    finally:
        engine.dispose()
