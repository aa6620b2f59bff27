"""Orders of history, and cursors: where a page ended, so that the next begins just there."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any, Self

from sqlalchemy import Column, ColumnElement, and_, or_, tuple_

from jobs.errors import JobsError
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

#: Keys that only a job which succeeded can have: they are its motion's.
OF_MOTION = frozenset({"skate", "penetration", "jitter"})


class OrderError(JobsError):
    """A sort key or cursor is unusable."""

    exit_code = 2


@dataclass(frozen=True)
class Order:
    """A sort key and its direction, written `key` or `-key` (descending)."""

    key: str = "id"
    descending: bool = True

    def __post_init__(self) -> None:
        if self.key not in KEYS:
            raise OrderError(
                f"cannot sort by {self.key!r}: the keys are {', '.join(KEYS)}, "
                "with - before one for descending"
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
        """ORDER BY for rows of which some lack the key."""
        directed = self.directed(key, number)
        return [key.is_(None), *directed] if self.nullable else directed


@dataclass(frozen=True)
class Cursor:
    """The last row of a page: its sort key's value (None: it lacks the key) and its id."""

    value: float | int | None
    id: int

    def encode(self, order: Order) -> str:
        """Text to hand out; it only makes sense with the same order."""
        text = json.dumps([str(order), self.value, self.id], separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str, order: Order) -> Self:
        """The cursor in `text`; raises `OrderError` if it is damaged or of another order."""
        damaged = OrderError(f"{text!r} is no cursor: take it from `next` of a page")
        try:
            padded = text + "=" * (-len(text) % 4)
            found = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
            name, value, number = found
        except (binascii.Error, ValueError, TypeError) as error:
            raise damaged from error
        if type(number) is not int or type(value) not in {int, float, type(None)}:
            raise damaged
        if name != str(order):
            raise OrderError(f"this cursor is of --sort={name}: go on with the same --sort")
        return cls(value, number)

    def later(self, order: Order, number: ColumnElement[int]) -> ColumnElement[bool]:
        """The condition that a row's id comes after this one's."""
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
        """The condition that a row comes after this one, where some lack the key."""
        if not order.nullable:
            return self.within(order, key, number)
        if self.value is None:
            return and_(key.is_(None), self.later(order, number))
        return or_(self.within(order, key, number), key.is_(None))
