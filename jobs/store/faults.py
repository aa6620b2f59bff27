"""What a database error means to a user."""

from __future__ import annotations

from sqlalchemy import Engine
from sqlalchemy.exc import DatabaseError, DBAPIError, InterfaceError, OperationalError

from jobs.errors import JobsError, SchemaError, UnreachableError

#: How SQLite says that the trouble is the file, and what that means to its user.
FILE_FAULTS = {
    "unable to open database file": "cannot be opened by this user",
    "attempt to write a readonly database": "cannot be written by this user",
    "file is not a database": "is not a database of SQLite",
}

#: The newest revision under `migrations/versions` (a test compares the two).
HEAD = "0005"


def missing_table(error: DatabaseError) -> bool:
    """Whether a statement failed because a table or column of ours is not there."""
    # PostgreSQL: undefined_table, undefined_column. SQLite has nothing but the message.
    if getattr(error.orig, "sqlstate", None) in {"42P01", "42703"}:
        return True
    message = str(error.orig)
    return message.startswith(("no such table", "no such column")) or "has no column" in message


def name_error(engine: Engine, error: DBAPIError) -> JobsError | None:
    """The error of ours that says what `error` means to a user; None for a fault of the program."""
    if isinstance(error, DatabaseError) and missing_table(error):
        return SchemaError(None, HEAD)
    # SQLite raises the bare DatabaseError for a file that is damaged or no database at all.
    away = type(error) is DatabaseError or isinstance(error, (OperationalError, InterfaceError))
    message = str(error.orig)
    for start, meaning in FILE_FAULTS.items():
        if engine.dialect.name == "sqlite" and message.startswith(start):
            reason = f"{engine.url.database} {meaning}"
            mend = "set HYMO_HOME or HYMO_DATABASE_URL to name another"
            return UnreachableError("database", engine.url.render_as_string(), reason, mend)
    if away or error.connection_invalidated:
        return UnreachableError(
            "database",
            engine.url.render_as_string(hide_password=True),
            str(error.orig).strip().splitlines()[0] if str(error.orig).strip() else "no answer",
            "check that it is up and reachable, then try again",
        )
    return None
