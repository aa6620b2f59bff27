"""Orders of `history`, and cursors that mark where a page ended and the next one begins."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any, Self

from sqlalchemy import Column, ColumnElement, and_, or_, tuple_

from jobs.errors import JobsError, shown
from jobs.store.tables import jobs

#: Sort key → column. Ties are broken by id in the same direction. Jobs that lack the key come last
#: in either direction.
KEYS: dict[str, Column[Any]] = {
    "id": jobs.c.id,
    "created": jobs.c.created_at,
    "finished": jobs.c.finished_at,
    "duration": jobs.c.duration_s,
    "queue": jobs.c.queue_s,
    "priority": jobs.c.priority,
    "peak": jobs.c.peak_memory_bytes,
    "skate": jobs.c.skate_mm,
    "penetration": jobs.c.penetration_mm,
    "jitter": jobs.c.jitter,
}

#: Keys that describe a motion: only succeeded jobs have them.
OF_MOTION = frozenset({"skate", "penetration", "jitter"})

#: Maximum characters of a cursor; those that are written have fewer than 100.
LONGEST = 400
#: Numbers of a cursor are smaller.
MOST = 2**63


class OrderError(JobsError):
    """A sort key or cursor is invalid."""

    exit_code = 2


@dataclass(frozen=True)
class Order:
    """A sort key and its direction, written `key` or `-key` (descending)."""

    key: str = "id"
    descending: bool = True

    def __post_init__(self) -> None:
        if self.key not in KEYS:
            raise OrderError(
                f"cannot sort by {shown(self.key)}: the keys are {', '.join(KEYS)}; "
                "put - before a key for descending order"
            )

    @classmethod
    def parse(cls, text: str) -> Self:
        """The order that `text` names; raises `OrderError`."""
        return cls(text.removeprefix("-"), descending=text.startswith("-"))

    def __str__(self) -> str:
        return f"{'-' * self.descending}{self.key}"

    @property
    def expression(self) -> Column[Any]:
        """The sort key as SQL."""
        return KEYS[self.key]

    @property
    def nullable(self) -> bool:
        """Whether jobs may lack the key."""
        return bool(self.expression.nullable)

    def directed(
        self, key: ColumnElement[Any], number: ColumnElement[int]
    ) -> list[ColumnElement[Any]]:
        """ORDER BY for rows that all have the key; `number` is the id."""
        return [each.desc() if self.descending else each.asc() for each in (key, number)]

    def nulls_last(
        self, key: ColumnElement[Any], number: ColumnElement[int]
    ) -> list[ColumnElement[Any]]:
        """ORDER BY for rows whose keys may be null."""
        directed = self.directed(key, number)
        return [key.is_(None), *directed] if self.nullable else directed


@dataclass(frozen=True)
class Cursor:
    """The last row of a page: the value of its sort key (None: null) and its id."""

    value: float | int | None
    id: int

    def encode(self, order: Order) -> str:
        """The cursor as text, which is valid only for the same order."""
        text = json.dumps([str(order), self.value, self.id], separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str, order: Order) -> Self:
        """The cursor in `text`; raises `OrderError` if it is damaged or of another order."""
        damaged = OrderError(f"{shown(text)} is not a cursor: use the `next` of a page")
        if len(text) > LONGEST:
            raise damaged
        try:
            padded = text + "=" * (-len(text) % 4)
            found = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
            name, value, number = found
            own = Order.parse(name)
        except (ValueError, TypeError, AttributeError, RecursionError, OrderError) as error:
            raise damaged from error
        # The databases count to 2⁶³, and have no NaN or infinity to compare with.
        if type(number) is not int or not 0 <= number < MOST:
            raise damaged
        lacking = value is None and own.nullable
        if not lacking and (type(value) not in {int, float} or not -MOST < value < MOST):
            raise damaged
        if own != order:
            raise OrderError(f"this cursor belongs to --sort={own}: use the same --sort")
        return cls(value, number)

    def later(self, order: Order, number: ColumnElement[int]) -> ColumnElement[bool]:
        """Condition: a row's id comes after the cursor's."""
        return number < self.id if order.descending else number > self.id

    def within(
        self, order: Order, key: ColumnElement[Any], number: ColumnElement[int]
    ) -> ColumnElement[bool]:
        """The condition that a row comes after this one, if both have the key."""
        pair, here = tuple_(key, number), tuple_(self.value, self.id)
        return pair < here if order.descending else pair > here

    def after(
        self, order: Order, key: ColumnElement[Any], number: ColumnElement[int]
    ) -> ColumnElement[bool]:
        """Condition: a row comes after the cursor, if keys may be null."""
        if not order.nullable:
            return self.within(order, key, number)
        if self.value is None:
            return and_(key.is_(None), self.later(order, number))
        return or_(self.within(order, key, number), key.is_(None))
