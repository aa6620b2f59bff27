"""The backlog of a batch: its queued jobs, and the jobs that run before them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import and_, func, or_, select

from jobs.domain.routing import Demand, Offer
from jobs.store.base import StorePart
from jobs.store.queue.endings import text_demand
from jobs.store.queue.lanes import QUEUED, READY, suits
from jobs.store.tables import jobs


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

    def ahead(self, batch_id: int, offers: Sequence[Offer]) -> int:
        """Number of other batches' jobs that these workers claim before this batch's first job."""
        best = (
            select(jobs.c.priority, jobs.c.id)
            .where(jobs.c.batch_id == batch_id, QUEUED)
            .order_by(jobs.c.priority.desc(), jobs.c.id)
            .limit(1)
        )
        with self.read() as connection:
            first = connection.execute(best).one_or_none()
            if first is None or not offers:
                return 0
            query = (
                select(func.count())
                .select_from(jobs)
                .where(jobs.c.batch_id != batch_id, *READY, or_(*map(suits, offers)))
                .where(
                    or_(
                        jobs.c.priority > first.priority,
                        and_(jobs.c.priority == first.priority, jobs.c.id < first.id),
                    )
                )
            )
            values = {"now": self.present(connection)}
            return int(connection.execute(query, values).scalar_one())
