"""Base class of every part of the store: engine, clock, transactions and errors."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from sqlalchemy import (
    ARRAY,
    Column,
    Connection,
    Double,
    Engine,
    Row,
    Select,
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

#: Execution option of a connection that is going to write: see `jobs.store.engine`.
WRITES = "hymo_writes"

#: Maximum number of rows in one page or transaction, and of pairs in one IN list.
CHUNK = 1_000

#: Seconds by which a stored time may lie ahead of the database's clock. A time further ahead was
#: written before the clock was set back.
AHEAD = 1.0


#: A result row whose columns are read by name.
Found: TypeAlias = "Row[*tuple[Any, ...]]"

Record = TypeVar("Record", bound="DataclassInstance")


def among(connection: Connection, column: Column[Any], values: Sequence[Any]) -> Any:
    """The condition `column IN values`, for any number of values.

    The values are one parameter, an array (PostgreSQL) or JSON (SQLite). With one placeholder per
    value, the driver needs longer for a thousand values than the database needs for the query, and
    SQLite allows no more than 32 766.
    """
    if connection.dialect.name == "postgresql":
        return column == any_(literal(list(values), ARRAY(column.type)))
    each = func.json_each(json.dumps(list(values))).table_valued("value")
    return column.in_(select(each.c.value))


def record(kind: type[Record], row: Found, **given: Any) -> Record:
    """A record built from the row's columns of the same names; `given` overrides fields."""
    own = {name: getattr(row, name) for name in kind.__dataclass_fields__ if name not in given}
    return kind(**own, **given)


def columns(record: Any) -> dict[str, Any]:
    """The values of a flat record by name: `dataclasses.asdict` would copy each of them."""
    return {name: getattr(record, name) for name in record.__dataclass_fields__}


class StorePart:
    """One part of the store, over a shared engine.

    Every part raises `UnreachableError` if the database does not answer, stays locked or drops the
    connection, and `SchemaError` if its tables are missing. In both cases the transaction is rolled
    back, with one exception: if the connection breaks during the commit itself, the commit may have
    succeeded. All writes are fenced, so it is safe to repeat one.

    Args:
        engine: an engine from `jobs.store.engine.connect`.
        clock: None for the database's own clock (production); tests pass their own.
    """

    def __init__(self, engine: Engine, *, clock: Clock | None = None) -> None:
        self._engine = engine
        self._clock = clock

    @property
    def _is_postgresql(self) -> bool:
        return self._engine.dialect.name == "postgresql"

    def _upsert(self, table: Table) -> Any:
        """An insert into `table` that supports ON CONFLICT."""
        return postgresql.insert(table) if self._is_postgresql else sqlite.insert(table)

    def now(self) -> ColumnElement[float]:
        """The database's current time in epoch seconds, as an SQL expression."""
        if self._clock is not None:
            return literal(self._clock(), Double)
        if self._is_postgresql:
            # now() is the time at which the transaction began, which is too early after it waited
            # for a lock.
            return cast(extract("epoch", func.clock_timestamp()), Double)
        return (func.julianday("now", type_=Double) - 2440587.5) * 86400.0

    def present(self, connection: Connection) -> float:
        """The database's current time in epoch seconds, read once per transaction.

        A single reading gives all rows of a transaction the same timestamp and lets comparisons use
        an index (PostgreSQL evaluates `clock_timestamp()` for every row).
        """
        if self._clock is not None:
            return self._clock()
        return float(connection.execute(self._present).scalar_one())

    @cached_property
    def _present(self) -> Select[float]:
        return select(self.now())  # built once, since that takes as long as to run it

    def time(self) -> float:
        """The current time of the store's clock, for comparisons with stored times."""
        with self.read() as connection:
            return self.present(connection)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that writes. On SQLite it takes the write lock at once."""
        with self._named(), self._engine.connect() as connection:
            connection = connection.execution_options(**{WRITES: True})  # noqa: PLW2901
            with connection.begin():
                yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A read-only transaction. It sees one snapshot of the database (SQLite) or one snapshot
        per statement (PostgreSQL)."""
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
