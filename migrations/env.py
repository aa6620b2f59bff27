"""Alembic's environment: runs migrations on the connection that `jobs.store.schema` hands over.

To write a migration after a change of `jobs/store/tables/`:

    alembic -c migrations/alembic.ini -x url=sqlite:////tmp/old.db revision --autogenerate \\
        --rev-id 0002 -m "what changes"

against a database at the last revision; then raise `jobs.store.faults.HEAD`.
"""

from __future__ import annotations

from alembic import context
from alembic.util.exc import CommandError
from sqlalchemy import Connection, create_engine

from jobs.store.tables import metadata


def run(connection: Connection) -> None:
    """Run the requested migrations in the caller's transaction."""
    context.configure(
        connection=connection,
        target_metadata=metadata,
        compare_type=True,
        compare_server_default=True,
        # SQLite cannot alter a constraint in place; Alembic then rebuilds the table.
        render_as_batch=connection.dialect.name == "sqlite",
    )
    with context.begin_transaction():
        context.run_migrations()


def main() -> None:
    """Use the caller's connection, or open the URL given by `-x url=…`."""
    if context.is_offline_mode():
        raise CommandError("migrations run on a live database only")
    given = context.config.attributes.get("connection")
    if given is not None:
        run(given)
        return
    url = context.get_x_argument(as_dictionary=True).get("url")
    if not url:
        raise CommandError("name the database: -x url=…")
    with create_engine(url).begin() as connection:
        run(connection)


main()
