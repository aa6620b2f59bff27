"""`hymo db`: the database's schema."""

from __future__ import annotations

import click

from jobs.cli.context import App, pass_app
from jobs.cli.render.tables import say


@click.group()
def db() -> None:
    """Show or upgrade the database's schema."""


@db.command()
@pass_app
def upgrade(app: App, /) -> None:
    """Upgrade the schema in one transaction.

    It is safe to run this again, or on several machines at once. Stop workers of an older version
    first.
    """
    from jobs.store import schema
    from jobs.store.faults import HEAD

    settings = app.settings()
    engine = app.connect(settings)
    try:
        before = schema.current(engine)
        if before != HEAD:
            schema.upgrade(settings.database_url)
        after = schema.current(engine)
    finally:
        engine.dispose()
    done = (
        f"is already at {after}"
        if before == after
        else f"went from {before or 'nothing'} to {after}"
    )
    say(f"{settings.public_database_url()} {done}")


@db.command()
@pass_app
def current(app: App, /) -> None:
    """Show the schema's revision; exit with 1 if this program needs another one."""
    from jobs.errors import SchemaError
    from jobs.store import schema
    from jobs.store.faults import HEAD

    settings = app.settings()
    engine = app.connect(settings)
    try:
        found = schema.current(engine)
    finally:
        engine.dispose()
    say(f"{settings.public_database_url()} is at {found or 'nothing'}")
    if found != HEAD:
        raise SchemaError(found, HEAD)
