"""What every command receives: the settings and, where it needs one, the open store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from jobs.settings import Settings
    from jobs.store.store import Store

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class App:
    """The command line's surroundings, made once by the root group.

    Attributes:
        environ: where HYMO_* variables are read.
        home: the root's `--home`, if given.
    """

    environ: Mapping[str, str] = field(repr=False)
    home: str | None = None

    def settings(self, **overrides: object) -> Settings:
        """Settings by flag (`overrides`; None is not given), environment and file.

        Raises:
            SettingsError: a value is unusable.
        """
        from jobs.settings import Settings

        return Settings.read(self.environ, **{"home": self.home} | overrides)

    @contextmanager
    def store(self, settings: Settings | None = None) -> Iterator[Store]:
        """The store, open and at this program's schema; closed afterwards.

        An SQLite file without tables gets them now. A server's schema is only ever changed by
        `hymo db upgrade`, so that a newer command never migrates under older workers.

        Raises:
            SchemaError: the database is at another schema version.
            UnreachableError: the database does not answer.
        """
        from sqlalchemy.engine import make_url

        from jobs.store import schema
        from jobs.store.engine import connect
        from jobs.store.store import Store

        url = (settings or self.settings()).database_url
        engine = connect(url)
        try:
            if make_url(url).get_backend_name() == "sqlite" and schema.current(engine) is None:
                schema.upgrade(url)
            schema.require_current(engine)
            with Store(engine) as store:
                yield store
        finally:
            engine.dispose()


#: Decorates a command that takes the `App` as its first argument.
pass_app = click.make_pass_decorator(App)


def with_options(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Decorates a command with click's options, which its help lists in this order."""

    def add(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return add
