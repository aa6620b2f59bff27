"""The database's schema: checking its revision and migrating it.

Alembic is imported only for migrations, so that checking the revision costs one short query.
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DatabaseError

from jobs.errors import SchemaError, SettingsError
from jobs.store.base import StorePart
from jobs.store.engine import connect
from jobs.store.faults import HEAD, missing_table

if TYPE_CHECKING:
    from alembic.config import Config


#: An arbitrary number, shared by all programs that migrate this database.
_ADVISORY_LOCK = 4_869_776_879


def current(engine: Engine) -> str | None:
    """The revision of the database; None if it has no tables of HyMo.

    Raises:
        UnreachableError: the database does not answer.
    """
    with StorePart(engine).read() as connection:
        return _revision(connection)


def require_current(engine: Engine) -> None:
    """Raise `SchemaError` unless the database has this program's revision."""
    found = current(engine)
    if found != HEAD:
        raise SchemaError(found, HEAD)


def upgrade(url: str, revision: str = "head") -> None:
    """Upgrade the database at `url` to `revision` in one transaction.

    Several processes may call this at once: the first one upgrades, and the others wait for it.

    Raises:
        UnreachableError: the database does not answer.
        SchemaError: the database has a revision that this program does not know.
        SettingsError: the SQLite file contains another program's tables.
    """
    _migrate(url, revision, up=True)


def downgrade(url: str, revision: str) -> None:
    """Downgrade the database at `url` to `revision` (`base`: no tables). This loses data."""
    _migrate(url, revision, up=False)


def configuration() -> Config:
    """Alembic's configuration for the `migrations` package, which is located but not imported."""
    from alembic.config import Config

    spec = importlib.util.find_spec("migrations")
    if spec is None or not spec.submodule_search_locations:
        raise SchemaError("unknown (the package `migrations` is not installed)", HEAD)
    config = Config()
    config.set_main_option("script_location", spec.submodule_search_locations[0].replace("%", "%%"))
    return config


def _migrate(url: str, revision: str, *, up: bool) -> None:
    from alembic import command
    from alembic.util.exc import CommandError

    engine = connect(url)
    config = configuration()
    try:
        with StorePart(engine).write() as connection:
            if engine.dialect.name == "postgresql":
                # Building an index on a large table may exceed the timeout for queries.
                connection.execute(text("SET LOCAL statement_timeout = 0"))
                connection.execute(text("SET LOCAL lock_timeout = 0"))
                connection.execute(text(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})"))
            config.attributes["connection"] = connection
            if up:
                _require_ours(connection)
                command.upgrade(config, revision)
            else:
                command.downgrade(config, revision)
    except CommandError as error:
        raise SchemaError(f"{current(engine)} ({error})", HEAD) from error
    finally:
        engine.dispose()


def _require_ours(connection: Connection) -> None:
    """Reject an SQLite file with tables of another program, whose names could collide."""
    if connection.dialect.name != "sqlite" or _revision(connection) is not None:
        return
    query = (
        "SELECT name FROM sqlite_master WHERE type = 'table' "
        "AND name NOT LIKE 'sqlite_%' AND name != 'alembic_version' ORDER BY name"
    )
    theirs = connection.execute(text(query)).scalars().all()
    if theirs:
        raise SettingsError(
            "HYMO_DATABASE_URL",
            str(connection.engine.url.database),
            f"the file is another program's (it has a table {theirs[0]!r}); "
            "set HYMO_HOME or HYMO_DATABASE_URL to name another",
        )


def _revision(connection: Connection) -> str | None:
    try:
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    except DatabaseError as error:
        if missing_table(error):
            return None
        raise
    return None if found is None else str(found)
