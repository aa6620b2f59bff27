"""The backlog of a batch: its queued jobs, and what runs before or beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, or_, select

from jobs.domain.routing import Demand, Offer
from jobs.store.base import StorePart
from jobs.store.queue.conditions import QUEUED, READY, suits
from jobs.store.queue.endings import text_demand
from jobs.store.tables import jobs


@dataclass(frozen=True)
class Ahead:
    """What workers claim before or beside the jobs of a batch.

    Attributes:
        jobs: number of other batches' jobs of a higher priority.
        batches: number of other batches with jobs of the same priority, with which it takes turns.
    """

    jobs: int = 0
    batches: int = 0


class BacklogStore(StorePart):
    """Reads how much work is queued in and ahead of a batch."""

    def left(self, batch_id: int) -> dict[Demand, int]:
        """The number of queued jobs of a batch, by demand.

        Jobs that differ only in length are one entry with the shortest length: if no worker can
        run the shortest, none can run the others.
        """
        alike = (
            jobs.c.model, jobs.c.mode, jobs.c.class_gib, jobs.c.revision, jobs.c.encode_gib,
            jobs.c.text_revision,
        )  # fmt: skip
        query = (
            select(*alike, func.min(jobs.c.frames).label("frames"), func.count().label("n"))
            .where(jobs.c.batch_id == batch_id, QUEUED)
            .group_by(*alike)
            .order_by(*alike)
        )
        with self.read() as connection:
            return {
                Demand(
                    model=row.model,
                    mode=row.mode,
                    gib=row.class_gib,
                    frames=row.frames,
                    revision=row.revision,
                    text=text_demand(row),
                ): row.n
                for row in connection.execute(query)
            }

    def ahead(self, batch_id: int, offers: Sequence[Offer]) -> Ahead:
        """What these workers claim before or beside the first jobs of a batch."""
        own = select(func.max(jobs.c.priority)).where(jobs.c.batch_id == batch_id, QUEUED)
        with self.read() as connection:
            first = connection.execute(own).scalar_one()
            if first is None or not offers:
                return Ahead()
            others = (jobs.c.batch_id != batch_id, *READY, or_(*map(suits, offers)))
            higher = select(func.count()).where(*others, jobs.c.priority > first)
            beside = select(func.count(jobs.c.batch_id.distinct())).where(
                *others, jobs.c.priority == first
            )
            now = {"now": self.present(connection)}
            return Ahead(*(connection.execute(each, now).scalar_one() for each in (higher, beside)))
