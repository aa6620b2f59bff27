"""Duties: what only one process of a fleet does at a time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, delete, or_, select

from jobs.store.base import AHEAD, StorePart
from jobs.store.tables import duties


@dataclass(frozen=True)
class Duty:
    """Who holds a duty.

    Attributes:
        mine: whether the asking process holds it.
        left: seconds until another process may take it, unless its holder extends it.
        age: seconds since its holder took or extended it.
        now: the database's time, epoch seconds.
    """

    mine: bool
    left: float
    age: float
    now: float


class DutyStore(StorePart):
    """Gives each duty to one process, which must extend it before its lease ends."""

    def hold(
        self,
        name: str,
        holder: str,
        *,
        lease: float,
        idle: float = math.inf,
        seize: bool = False,
    ) -> Duty:
        """Take the duty if nobody holds it, or extend it.

        A duty whose lease ended, or was begun before the database's clock was set back, is free.

        Args:
            name: the duty, at most 200 characters.
            holder: what identifies the asking process, at most 200 characters.
            lease: seconds for which the duty is held.
            idle: a holder that has not extended it for this many seconds holds it no longer.
            seize: take it from whoever holds it.
        """
        with self.read() as connection:
            now = self.present(connection)
            row = connection.execute(select(duties).where(duties.c.name == name)).one_or_none()
        if not (seize or row is None or row.holder == holder or _free(row, now, idle)):
            return Duty(False, row.until - now, now - row.held_at, now)  # no write lock is taken
        with self.write() as connection:
            now = self.present(connection)
            values = {"holder": holder, "held_at": now, "until": now + lease}
            statement: Any = self._upsert(duties).values(name=name, **values)
            statement = statement.on_conflict_do_update(
                index_elements=["name"],
                set_=values,
                where=None if seize else or_(duties.c.holder == holder, *_is_free(now, idle)),
            )
            taken = connection.execute(statement.returning(duties.c.name)).one_or_none()
        return Duty(taken is not None, lease, 0.0, now)

    def give_up(self, name: str, holder: str) -> None:
        """Free the duty at once; does nothing if another process holds it."""
        with self.write() as connection:
            connection.execute(
                delete(duties).where(duties.c.name == name, duties.c.holder == holder)
            )


def _free(row: Any, now: float, idle: float) -> bool:
    return bool(row.until <= now or row.held_at > now + AHEAD or row.held_at <= now - idle)


def _is_free(now: float, idle: float) -> tuple[ColumnElement[bool], ...]:
    return (
        duties.c.until <= now,
        duties.c.held_at > now + AHEAD,
        duties.c.held_at <= now - idle,
    )
