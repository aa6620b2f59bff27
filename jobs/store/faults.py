"""Translates errors of the database driver into errors that a user understands."""

from __future__ import annotations

from sqlalchemy import Engine
from sqlalchemy.exc import DatabaseError, DBAPIError, InterfaceError, OperationalError

from jobs.errors import JobsError, SchemaError, UnreachableError

#: Messages of SQLite about its file, and the explanations shown to the user.
FILE_FAULTS = {
    "unable to open database file": "cannot be opened by this user",
    "attempt to write a readonly database": "cannot be written by this user",
    "file is not a database": "is not a database of SQLite",
}

#: The newest revision under `migrations/versions` (a test compares the two).
HEAD = "0006"


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
    # SQLite raises a plain DatabaseError if the file is damaged or not a database.
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
