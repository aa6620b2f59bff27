"""The lock that every write needs, held by somebody else."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator

import psycopg
from sqlalchemy.engine import make_url

from tests.waiting import HUNG


@contextlib.contextmanager
def locked(url: str) -> Iterator[None]:
    """Another connection holds the lock that every write needs; readers go on."""
    target = make_url(url)
    if target.get_backend_name() == "sqlite":
        with contextlib.closing(sqlite3.connect(str(target.database), timeout=HUNG)) as connection:
            connection.isolation_level = None
            connection.execute("BEGIN IMMEDIATE")
            yield
            connection.rollback()
        return
    with psycopg.connect(url) as connection:
        connection.execute("LOCK TABLE jobs, workers IN EXCLUSIVE MODE")
        yield
        connection.rollback()
