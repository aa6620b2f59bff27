"""Translates errors of the database driver into errors that a user understands."""

from __future__ import annotations

import shutil
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.exc import DatabaseError, DBAPIError, InterfaceError, OperationalError

from jobs.errors import JobsError, SchemaError, UnreachableError
from jobs.url import public_database, without_secrets

#: Messages of SQLite about its file, and the explanations shown to the user.
FILE_FAULTS = {
    "unable to open database file": "cannot be opened by this user",
    "attempt to write a readonly database": "cannot be written by this user",
    "file is not a database": "is not a database of SQLite",
}

#: Messages of SQLite: no space is left, reading or writing failed, or another process writes.
FULL = "database or disk is full"
DISK = "disk I/O error"
LOCKED = "database is locked"
#: Free bytes below which a disk counts as full; SQLite maps its shared memory in steps of 32 KiB.
ROOM = 65536

#: SQLSTATEs of PostgreSQL: how the server does not do its work for now, and what to do about it.
SERVER_FAULTS = {
    "53100": ("has no room", "free space on the server's disk, then try again"),
    "55P03": ("is busy", "end the session that has held a lock for so long, then try again"),
    "25006": ("is read-only", "connect to the primary server, or make this one writable"),
}

#: The newest revision under `migrations/versions` (a test compares the two).
HEAD = "0008"


def missing_table(error: DatabaseError) -> bool:
    """Whether a statement failed because a table or column is missing."""
    # PostgreSQL: undefined_table, undefined_column. SQLite has no codes for them, only messages.
    if getattr(error.orig, "sqlstate", None) in {"42P01", "42703"}:
        return True
    message = str(error.orig)
    return message.startswith(("no such table", "no such column")) or "has no column" in message


def name_error(engine: Engine, error: DBAPIError) -> JobsError | None:
    """The `JobsError` that explains `error` to a user; None if `error` is a bug of the program."""
    if isinstance(error, DatabaseError) and missing_table(error):
        return SchemaError(None, HEAD)
    if engine.dialect.name == "sqlite" and (named := _file_fault(engine, str(error.orig))):
        return named
    # SQLite raises a plain DatabaseError if the file is damaged or not a database.
    away = type(error) is DatabaseError or isinstance(error, (OperationalError, InterfaceError))
    state, mend = SERVER_FAULTS.get(getattr(error.orig, "sqlstate", None) or "", ("", ""))
    if away or state or error.connection_invalidated:
        url = engine.url.render_as_string(hide_password=False)
        reason = str(error.orig).strip().partition("\n")[0]
        return UnreachableError(
            "database",
            public_database(url),
            without_secrets(reason, url) or "no answer",
            mend or "check that it is up and reachable, then try again",
            state=state or "is unreachable",
        )
    return None


def _file_fault(engine: Engine, message: str) -> UnreachableError | None:
    """The explanation of what SQLite says about its file or the disk; None if it says neither."""
    url = public_database(engine.url.render_as_string(hide_password=False))
    file = str(engine.url.database)
    folder = Path(file).absolute().parent
    if message == FULL or (message.startswith((DISK, *FILE_FAULTS)) and is_full(engine)):
        free = _free(folder)
        reason = f"{message}, {'?' if free is None else f'{free / 2**20:.1f}'} MiB free in {folder}"
        mend = "make room there, then try again; rows already committed are kept"
        return UnreachableError("database", url, reason, mend, state="has no room")
    if message.startswith(DISK):
        mend = (
            f"check the disk of {folder} and this user's quota, then try again; "
            "rows already committed are kept"
        )
        return UnreachableError("database", url, message, mend, state="cannot be read or written")
    if message.startswith(LOCKED):
        mend = "end the process that has been writing to it for so long, then try again"
        return UnreachableError("database", url, message, mend, state="is busy")
    for start, meaning in FILE_FAULTS.items():
        if message.startswith(start):
            mend = "set HYMO_HOME or HYMO_DATABASE_URL to name another"
            return UnreachableError("database", url, f"{file} {meaning}", mend)
    return None


def is_full(engine: Engine) -> bool:
    """Whether the disk of an SQLite file has no room for a few pages of the database."""
    if engine.dialect.name != "sqlite":
        return False
    free = _free(Path(str(engine.url.database)).absolute().parent)
    return free is not None and free < ROOM


def _free(folder: Path) -> int | None:
    """Bytes that this user may still write to the disk of a folder; None: it cannot be seen."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None
