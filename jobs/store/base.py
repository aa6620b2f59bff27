"""What every part of the store shares: the engine, the clock, transactions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Double, Engine, cast, extract, func, literal
from sqlalchemy.sql.elements import ColumnElement

from jobs.clock import Clock


class Facet:
    """One part of the store, over a shared engine.

    Args:
        engine: made by `jobs.store.engine.connect`.
        clock: None for the database's own clock (production); tests inject one.
    """

    def __init__(self, engine: Engine, *, clock: Clock | None = None) -> None:
        self._engine = engine
        self._clock = clock

    def now(self) -> ColumnElement[float]:
        """The present in epoch seconds as an SQL expression: the database's clock decides."""
        if self._clock is not None:
            return literal(self._clock(), Double)
        if self._engine.dialect.name == "postgresql":
            # clock_timestamp, not now(): a transaction that waited for a lock must see the time.
            return cast(extract("epoch", func.clock_timestamp()), Double)
        return (func.julianday("now", type_=Double) - 2440587.5) * 86400.0

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that will write. On SQLite it takes the write lock at once."""
        with self._engine.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads."""
        with self._engine.connect() as connection:
            yield connection
