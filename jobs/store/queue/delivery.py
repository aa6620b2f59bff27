"""Delivery: which queued rows have a message in the broker, and which want one."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, case, func, literal_column, select, update

from jobs.domain.memory import ENCODE, queue_name
from jobs.domain.states import State
from jobs.store.base import CHUNK, StorePart, among
from jobs.store.queue.lanes import READY, SAMPLING, WAITING
from jobs.store.tables import jobs

#: What a job's queue is named after: its mode and class, or while it waits for its text the
#: encoder's class.
_PHASE = case((WAITING, literal_column(f"'{ENCODE}'")), else_=jobs.c.mode).label("phase")
_GIB = case((WAITING, jobs.c.encode_gib), else_=jobs.c.class_gib).label("gib")


def _in(phase: str, gib: int) -> tuple[ColumnElement[bool], ...]:
    """Conditions for a job to be in a queue."""
    if phase == ENCODE:
        return (WAITING, jobs.c.encode_gib == gib)
    return (SAMPLING, jobs.c.mode == phase, jobs.c.class_gib == gib)


class DeliveryStore(StorePart):
    """Keeps the broker's messages in step with the rows, which are the truth."""

    def unpublished(self, limit: int = CHUNK) -> list[tuple[int, str]]:
        """(job id, queue) of jobs that could run now and have no message, oldest first."""
        with self.read() as connection:
            now = self.present(connection)
            query = (
                select(jobs.c.id, _PHASE, _GIB)
                .where(jobs.c.published_at.is_(None), *READY)
                .order_by(jobs.c.id)
                .limit(limit)
            )
            return [
                (row.id, queue_name(row.phase, row.gib))
                for row in connection.execute(query, {"now": now})
            ]

    def mark_published(self, job_ids: Sequence[int]) -> None:
        """Note that a message for each of these jobs was put in the broker just now."""
        ids = sorted(job_ids)
        for start in range(0, len(ids), CHUNK):
            with self.write() as connection:
                some = select(jobs.c.id).where(
                    among(connection, jobs.c.id, ids[start : start + CHUNK]),
                    jobs.c.state == State.QUEUED,
                )
                connection.execute(
                    update(jobs)
                    .where(jobs.c.id.in_(some.order_by(jobs.c.id).with_for_update()))
                    .values(published_at=self.present(connection))
                )

    def waiting(self) -> dict[str, int]:
        """How many jobs could run now, a queue: what the broker's queues should hold at least."""
        with self.read() as connection:
            query = (
                select(_PHASE, _GIB, func.count().label("n")).where(*READY).group_by(_PHASE, _GIB)
            )
            found = connection.execute(query, {"now": self.present(connection)})
            return {queue_name(row.phase, row.gib): row.n for row in found}

    def oldest(self, queue: str, n: int, *, older_than: float) -> list[int]:
        """Jobs of `queue` that could run now and whose message is old: perhaps it was lost.

        Args:
            queue: as `jobs.domain.memory.queue_name` makes it.
            n: at most so many, the longest published first.
            older_than: seconds since the message was put in the broker.
        """
        _, phase, gib = queue.split(".")
        with self.read() as connection:
            now = self.present(connection)
            query = (
                select(jobs.c.id)
                .where(*_in(phase, int(gib)), *READY)
                .where(jobs.c.published_at < now - older_than)
                .order_by(jobs.c.published_at, jobs.c.id)
                .limit(n)
            )
            return list(connection.scalars(query, {"now": now}))
