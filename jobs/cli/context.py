"""The context that every command receives, with access to the settings and the store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache, partial
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from jobs.settings import Settings
    from jobs.store.store import Store

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class App:
    """The context of a command, created by the root group.

    Attributes:
        environ: the environment, from which HYMO_* variables are read.
        home: the value of `--home`, if given.
    """

    environ: Mapping[str, str] = field(repr=False)
    home: str | None = None

    def settings(self, **overrides: object) -> Settings:
        """Settings from flags (`overrides`; None: not given), environment and file.

        Raises:
            SettingsError: a value is unusable.
        """
        from jobs.settings import Settings

        return Settings.read(self.environ, **{"home": self.home} | overrides)

    @staticmethod
    def connect(settings: Settings) -> Engine:
        """An engine of the database; the home is created if the database is a file in it."""
        from jobs.home import make_home
        from jobs.store.engine import connect

        if settings.local:
            # `connect` says what is wrong with it.
            with suppress(OSError):
                make_home(settings.home)
        # Cached, so that a sentence is said once.
        return connect(settings.database_url, on_wait=cache(partial(click.echo, err=True)))

    @contextmanager
    def store(self, settings: Settings | None = None) -> Iterator[Store]:
        """Open the store for the block, and check the database's schema.

        In an SQLite file without tables, the tables are created. A server's schema is changed only
        by `hymo db upgrade`, so that a newer command does not migrate it under older workers.

        Raises:
            SchemaError: the database has another schema version.
            UnreachableError: the database does not answer.
        """
        from sqlalchemy.engine import make_url

        from jobs.store import schema
        from jobs.store.store import Store

        settings = settings or self.settings()
        url = settings.database_url
        engine = self.connect(settings)
        try:
            if make_url(url).get_backend_name() == "sqlite" and schema.current(engine) is None:
                schema.upgrade(url)
            schema.require_current(engine)
            with Store(engine) as store:
                yield store
        finally:
            engine.dispose()


#: Passes the `App` to the decorated command as its first argument.
pass_app = click.make_pass_decorator(App)


def with_options(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Add click options to a command, listed in its help in this order."""

    def add(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return add
