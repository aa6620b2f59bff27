"""Delivery: which queued jobs have a message in the broker, and which need one."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import (
    ColumnElement,
    and_,
    case,
    func,
    literal_column,
    not_,
    or_,
    select,
    update,
)

from jobs.domain.memory import ENCODE, queue_name
from jobs.domain.states import State
from jobs.store.base import AHEAD, CHUNK, StorePart, among
from jobs.store.queue.conditions import QUEUED, READY, SAMPLING, WAITING
from jobs.store.tables import jobs

#: The parts of a job's queue name: its mode and class, or `encode` and the encoder's class while
#: the job waits for its text.
_PHASE = case((WAITING, literal_column(f"'{ENCODE}'")), else_=jobs.c.mode).label("phase")
_GIB = case((WAITING, jobs.c.encode_gib), else_=jobs.c.class_gib).label("gib")


def _in(phase: str, gib: int) -> tuple[ColumnElement[bool], ...]:
    """Conditions: the job belongs to this queue."""
    if phase == ENCODE:
        return (WAITING, jobs.c.encode_gib == gib)
    return (SAMPLING, jobs.c.mode == phase, jobs.c.class_gib == gib)


class DeliveryStore(StorePart):
    """Tracks which jobs have a message in the broker. The rows are authoritative."""

    def unpublished(self, limit: int = CHUNK) -> list[tuple[int, str]]:
        """(job id, queue) of ready jobs that have no message, oldest first."""
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
        """Record that a message for each of these jobs was published just now."""
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

    def stale(self, queue: str, job_ids: Sequence[int]) -> frozenset[int]:
        """Those of the jobs that are not queued in `queue`, at most `CHUNK` ids.

        A job that is queued again, or moves to another queue, gets another message. Ids of unknown
        jobs are left out.
        """
        _, phase, gib = queue.split(".")
        here = and_(QUEUED, *_in(phase, int(gib)))
        with self.read() as connection:
            query = select(jobs.c.id).where(among(connection, jobs.c.id, job_ids), not_(here))
            return frozenset(connection.scalars(query)) if job_ids else frozenset()

    def waiting(self) -> dict[str, int]:
        """Number of ready jobs by queue: the minimum number of messages that it should hold."""
        with self.read() as connection:
            query = (
                select(_PHASE, _GIB, func.count().label("n")).where(*READY).group_by(_PHASE, _GIB)
            )
            found = connection.execute(query, {"now": self.present(connection)})
            return {queue_name(row.phase, row.gib): row.n for row in found}

    def oldest(self, queue: str, n: int, *, older_than: float) -> list[int]:
        """Ready jobs of `queue` whose message is old and may have been lost, oldest message first.

        Args:
            queue: a name from `jobs.domain.memory.queue_name`.
            n: the maximum number of jobs.
            older_than: minimum age of the message in seconds.
        """
        _, phase, gib = queue.split(".")
        with self.read() as connection:
            now = self.present(connection)
            query = (
                select(jobs.c.id)
                .where(*_in(phase, int(gib)), *READY)
                # A time that lies ahead was written before the clock was set back.
                .where(
                    or_(
                        jobs.c.published_at < now - older_than,
                        jobs.c.published_at > now + AHEAD,
                    )
                )
                .order_by(jobs.c.published_at, jobs.c.id)
                .limit(n)
            )
            return list(connection.scalars(query, {"now": now}))
