"""What every command receives: the settings and, where it needs one, the open store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from jobs.settings import Settings
    from jobs.store.store import Store


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
        """The store, open, with a schema that this program knows; closed afterwards.

        An SQLite file is created with its schema on first use. A server's schema is only ever
        changed by `hymo db upgrade`.

        Raises:
            SchemaError: the database is at another schema version.
            UnreachableError: the database does not answer.
        """
        from jobs.cli.database import open_store

        with open_store(settings or self.settings()) as store:
            yield store


#: Decorates a command that takes the `App` as its first argument.
pass_app = click.make_pass_decorator(App)
