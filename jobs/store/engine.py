"""Opening the database: SQLite in WAL mode, or PostgreSQL through psycopg 3."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from jobs.errors import SettingsError, UnreachableError
from jobs.store.base import WRITES
from jobs.store.faults import name_error
from jobs.url import public_database

#: Seconds after which PostgreSQL aborts a statement. The longest statements delete or update a
#: whole batch and take seconds for 100 000 jobs.
STATEMENT_TIMEOUT = 60.0
#: Seconds of waiting for the lock of an SQLite file after which this is said.
PATIENCE = 1.0


def connect(
    url: str, *, timeout: float = 20.0, on_wait: Callable[[str], object] | None = None
) -> Engine:
    """An engine for `url`, returned after a test connection succeeded.

    Args:
        url: `sqlite:///file` or `postgresql://user:password@host/name`.
        timeout: seconds to wait for a lock and, on PostgreSQL, for a connection. `?timeout=` in the
            URL of an SQLite file and `options` in one of PostgreSQL override it.
        on_wait: called from another thread, with a sentence, whenever a write waits long for the
            lock of an SQLite file.

    Raises:
        SettingsError: the URL is invalid or names a database that HyMo does not support.
        UnreachableError: the driver is missing, or the database does not answer.
    """
    target = _target(url)
    if target.get_backend_name() == "sqlite":
        engine = _sqlite(target, timeout, on_wait)
    else:
        engine = _postgresql(target, timeout)
    try:
        with engine.connect():
            pass
    except DBAPIError as error:
        engine.dispose()
        named = name_error(engine, error)
        if named is None:
            raise
        raise named from error
    return engine


def _target(url: str) -> URL:
    try:
        target = make_url(url)
        if target.drivername in {"postgres", "postgresql"}:
            target = target.set(drivername="postgresql+psycopg")
        backend = target.get_backend_name()
    except (ArgumentError, NoSuchModuleError):
        # The value may hold a password, so it is not repeated.
        raise SettingsError("HYMO_DATABASE_URL", "…", "is not a database URL") from None
    if backend not in {"sqlite", "postgresql"}:
        raise SettingsError(
            "HYMO_DATABASE_URL", f"{backend}://…", "must begin with sqlite:/// or postgresql://"
        )
    return target


def _sqlite(url: URL, timeout: float, on_wait: Callable[[str], object] | None) -> Engine:
    if not url.database or url.database == ":memory:":
        raise SettingsError(
            "HYMO_DATABASE_URL",
            public_database(url.render_as_string(hide_password=False)),
            "must name a file (workers are other processes and cannot see this one's memory)",
        )
    try:
        if not url.database.startswith("file:"):  # SQLite's own URI, which may say mode=ro
            Path(url.database).expanduser().parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _away(
            url, f"its folder cannot be created ({error.strerror})", "check HYMO_HOME"
        ) from error
    given = url.query.get("timeout")
    if given is not None:
        timeout = _seconds(given)
    engine = create_engine(url, connect_args={"timeout": timeout})
    waits = f"another process is writing to {url.database!r}: waiting, at most {timeout:g} s"

    @event.listens_for(engine, "connect")
    def _open(connection: Any, _record: object) -> None:
        # The driver would begin deferred transactions by itself. Two of them that read and then
        # write fail with "database is locked" at once, regardless of the timeout. The driver's
        # transaction control is therefore switched off, and `_begin` chooses the kind.
        connection.isolation_level = None
        for pragma in (
            f"busy_timeout = {round(timeout * 1000)}",
            "journal_mode = WAL",
            # In WAL mode with NORMAL, a commit has reached the operating system when it returns, so
            # it survives kill -9 of every process. A power cut may lose the last commits but does
            # not corrupt the database; the jobs of a lost commit are claimed and sampled again.
            # FULL would sync on every claim and renewal (ten times slower on a disk).
            "synchronous = NORMAL",
            "foreign_keys = ON",
            "cache_size = -16000",
        ):
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        if not connection.get_execution_options().get(WRITES, False):
            connection.exec_driver_sql("BEGIN")
            return
        with ExitStack() as stack:
            if on_wait is not None:
                notice = threading.Timer(PATIENCE, on_wait, (waits,))
                stack.callback(notice.cancel)
                notice.start()
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _seconds(given: object) -> float:
    try:
        seconds = float(str(given))
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 3600:
        raise SettingsError("HYMO_DATABASE_URL", f"timeout={given}", "must be 0 to 3600 seconds")
    return seconds


def _postgresql(url: URL, timeout: float) -> Engine:
    options = (
        f"-c lock_timeout={round(timeout * 1000)}"
        f" -c statement_timeout={round(STATEMENT_TIMEOUT * 1000)}"
        # A process that stops in the middle of a transaction must not lock its rows forever.
        f" -c idle_in_transaction_session_timeout={round(STATEMENT_TIMEOUT * 1000)}"
    )
    given = url.query.get("options")
    if isinstance(given, str):
        options = f"{options} {given}"  # the last value counts, so the URL's options win
    seconds = max(2, math.ceil(timeout))
    try:
        return create_engine(
            url,
            pool_pre_ping=True,
            isolation_level="READ COMMITTED",
            connect_args={
                "application_name": "hymo",
                "connect_timeout": seconds,
                "options": options,
                # Without keepalives, the failure of the server's machine is noticed after hours.
                "keepalives_idle": seconds,
                "keepalives_interval": 5,
                "keepalives_count": 3,
                "tcp_user_timeout": round(timeout * 1000),
            },
        )
    except ModuleNotFoundError as error:
        raise _away(
            url, f"no driver ({error.name} is not installed)", "pip install 'hymo[postgres]'"
        ) from error


def _away(url: URL, reason: str, mend: str) -> UnreachableError:
    shown = public_database(url.render_as_string(hide_password=False))
    return UnreachableError("database", shown, reason, mend)
