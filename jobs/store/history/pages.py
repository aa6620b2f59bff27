"""History: pages of jobs by filter and order, single jobs, and their attempts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import func, select

from jobs.domain.names import fold
from jobs.errors import NotFoundError
from jobs.store.base import StorePart
from jobs.store.history.jobfilter import JobFilter
from jobs.store.history.jobrow import AttemptRow, JobRow, attempt_row, job_rows, select_jobs
from jobs.store.history.order import Cursor, Order
from jobs.store.history.page_query import fetch
from jobs.store.tables import attempts, batches, jobs, workers

#: The maximum number of jobs in one page.
PAGE = 1_000


@dataclass(frozen=True)
class Page:
    """Some jobs, and the cursor at which the next page begins (None: this is the last page)."""

    rows: tuple[JobRow, ...]
    next: str | None


class HistoryStore(StorePart):
    """Reads jobs and their attempts."""

    def page(
        self,
        wanted: JobFilter,
        order: Order | None = None,
        *,
        limit: int = 50,
        after: str | None = None,
        files: bool = False,
    ) -> Page:
        """One page of jobs.

        Args:
            wanted: selects the jobs.
            order: defaults to the newest id first.
            limit: number of jobs, at most `PAGE`.
            after: `next` of the previous page.
            files: whether to read the jobs' artifacts as well.

        Raises:
            OrderError: the cursor is damaged or belongs to another order.
        """
        order = order or Order()
        cursor = None if after is None else Cursor.decode(after, order)
        limit = max(1, min(limit, PAGE))
        with self.read() as connection:
            rows = fetch(connection, wanted, order, cursor, limit + 1)
            shown = job_rows(connection, rows[:limit], files=files)
        more = len(rows) > limit
        last = Cursor(rows[limit - 1].key, shown[-1].id).encode(order) if more else None
        return Page(rows=shown, next=last)

    def pages(
        self, wanted: JobFilter, order: Order | None = None, *, after: str | None = None
    ) -> Iterator[Page]:
        """All pages after the cursor `after`, with files, for exports of any size."""
        while True:
            page = self.page(wanted, order, limit=PAGE, after=after, files=True)
            yield page
            if page.next is None:
                return
            after = page.next

    def job(self, number: int) -> JobRow:
        """The job with this id and its files; raises `NotFoundError`."""
        with self.read() as connection:
            rows = connection.execute(select_jobs(jobs.c.id).where(jobs.c.id == number)).all()
            if not rows:
                newest = connection.execute(select(func.max(jobs.c.id))).scalar()
                mend = "nothing was submitted yet" if newest is None else f"the newest is {newest}"
                raise NotFoundError("job", str(number), mend)
            return job_rows(connection, rows, files=True)[0]

    def find(
        self, batch: str, custom_id: str, *, seed: int | None = None, folded: bool = False
    ) -> tuple[JobRow, ...]:
        """The jobs of one row of a batch, by seed, with their files; empty if there are none.

        Args:
            batch: the exact name of the batch.
            custom_id: the id of the row.
            seed: only the job with this seed.
            folded: also jobs whose id differs in case or normal form.
        """
        own = jobs.c.folded_id == fold(custom_id) if folded else jobs.c.custom_id == custom_id
        of_name = select(batches.c.id).where(batches.c.name == batch).scalar_subquery()
        query = (
            select_jobs(jobs.c.id)
            .where(jobs.c.batch_id == of_name)
            .where(own)
            .order_by(jobs.c.seed)
            .limit(PAGE)
        )
        if seed is not None:
            query = query.where(jobs.c.seed == seed)
        with self.read() as connection:
            return job_rows(connection, connection.execute(query).all(), files=True)

    def cards(self) -> tuple[str, ...]:
        """The names of all cards on which a worker has ever run."""
        # Workers that are or were only declared have no process id.
        ran = workers.c.pid.is_not(None)
        query = select(workers.c.card).where(ran).distinct().order_by(workers.c.card)
        with self.read() as connection:
            return tuple(connection.scalars(query))

    def attempts(self, number: int) -> tuple[AttemptRow, ...]:
        """The attempts of a job, oldest first."""
        query = select(attempts).where(attempts.c.job_id == number).order_by(attempts.c.number)
        with self.read() as connection:
            return tuple(map(attempt_row, connection.execute(query)))
