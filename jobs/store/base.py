"""What every part of the store shares: the engine, the clock, transactions, errors."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from sqlalchemy import (
    ARRAY,
    Column,
    Connection,
    Double,
    Engine,
    Row,
    Table,
    any_,
    cast,
    extract,
    func,
    literal,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.elements import ColumnElement

from jobs.domain.clock import Clock
from jobs.store.faults import name_error

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

#: Execution option of a connection that will write: see `jobs.store.engine`.
WRITES = "hymo_writes"

#: Rows in one page or one transaction, pairs in one IN list.
CHUNK = 1_000


#: A row of a statement of ours, whose columns are read by name.
Found: TypeAlias = "Row[*tuple[Any, ...]]"

Record = TypeVar("Record", bound="DataclassInstance")


def among(connection: Connection, column: Column[Any], values: Sequence[Any]) -> Any:
    """The condition `column IN values`, however many.

    They are one parameter, an array (PostgreSQL) or JSON (SQLite): with a placeholder each, a
    thousand take the driver longer than the query takes the database, and SQLite allows 32 766.
    """
    if connection.dialect.name == "postgresql":
        return column == any_(literal(list(values), ARRAY(column.type)))
    each = func.json_each(json.dumps(list(values))).table_valued("value")
    return column.in_(select(each.c.value))


def record(kind: type[Record], row: Found, **given: Any) -> Record:
    """A record whose fields are the row's columns of the same names, but for those given."""
    own = {one.name: getattr(row, one.name) for one in fields(kind) if one.name not in given}
    return kind(**own, **given)


class StorePart:
    """One part of the store, over a shared engine.

    Every part raises `UnreachableError` when the database does not answer, stays locked or drops
    the connection, and `SchemaError` when its tables are not there. After either, nothing of the
    transaction is kept, with one exception: when the connection breaks during the commit itself,
    the commit may have happened. All writes are fenced, so repeating one is safe.

    Args:
        engine: made by `jobs.store.engine.connect`.
        clock: None for the database's own clock (production); tests inject one.
    """

    def __init__(self, engine: Engine, *, clock: Clock | None = None) -> None:
        self._engine = engine
        self._clock = clock

    @property
    def _is_postgresql(self) -> bool:
        return self._engine.dialect.name == "postgresql"

    def _upsert(self, table: Table) -> Any:
        """An insert into `table` that may say what to do on a conflict."""
        return postgresql.insert(table) if self._is_postgresql else sqlite.insert(table)

    def now(self) -> ColumnElement[float]:
        """The present in epoch seconds as an SQL expression: the database's clock decides."""
        if self._clock is not None:
            return literal(self._clock(), Double)
        if self._is_postgresql:
            # clock_timestamp, not now(): a transaction that waited for a lock must see the time.
            return cast(extract("epoch", func.clock_timestamp()), Double)
        return (func.julianday("now", type_=Double) - 2440587.5) * 86400.0

    def present(self, connection: Connection) -> float:
        """The present in epoch seconds by the database's clock, read once for a transaction.

        One reading gives every row of a transaction the same stamp, and lets comparisons use an
        index (PostgreSQL evaluates `clock_timestamp()` anew for each row).
        """
        if self._clock is not None:
            return self._clock()
        return float(connection.execute(select(self.now())).scalar_one())

    def time(self) -> float:
        """The present by the store's clock, for callers that compare with stored times."""
        with self.read() as connection:
            return self.present(connection)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that will write. On SQLite it takes the write lock at once."""
        with self._named(), self._engine.connect() as connection:
            connection = connection.execution_options(**{WRITES: True})  # noqa: PLW2901
            with connection.begin():
                yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads, and sees one state of the database (SQLite) or one a
        statement (PostgreSQL)."""
        with self._named(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            named = name_error(self._engine, error)
            if named is None:
                raise
            raise named from error
