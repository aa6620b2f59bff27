"""Pruning: removing the rows of batches that ended long ago."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, delete, func, or_, select, update

from jobs.domain.batches import Batch
from jobs.domain.spec import stem
from jobs.domain.states import State
from jobs.store.base import CHUNK, StorePart, among
from jobs.store.batches import to_batch
from jobs.store.tables import artifacts, attempts, batches, jobs, motion_features

#: Tables with a column `job_id`, whose rows go with their job.
_OF_JOBS = (attempts, artifacts, motion_features)


@dataclass(frozen=True)
class RowCount:
    """Numbers of rows. Those of files are not counted: see `jobs.artifacts.own_files`."""

    jobs: int = 0
    attempts: int = 0
    features: int = 0

    def __add__(self, other: RowCount) -> RowCount:
        return RowCount(
            self.jobs + other.jobs, self.attempts + other.attempts, self.features + other.features
        )


@dataclass(frozen=True)
class Removal:
    """What one transaction removed.

    Attributes:
        held: seconds for which it held its locks. What follows the commit (SQLite copies its log
            into the file, and syncs both) holds up nobody.
    """

    rows: RowCount
    held: float


@dataclass(frozen=True)
class Standing:
    """How far a batch is from being pruned.

    Attributes:
        unfinished: number of its jobs that are queued or running.
        changed_at: when a job of it last ended, or when it was created.
    """

    unfinished: int
    changed_at: float


class PruneStore(StorePart):
    """Removes batches all of whose jobs have ended, and that did not change for some time."""

    def old(self, *, before: float) -> list[Batch]:
        """The batches that may be removed, oldest first.

        Args:
            before: epoch seconds; a batch that changed later is kept.
        """
        with self.read() as connection:
            query = select(batches).where(_old(before)).order_by(batches.c.id)
            return [to_batch(row) for row in connection.execute(query)]

    def standing(self, batch_id: int) -> Standing:
        """What of a batch decides whether it may be removed."""
        unfinished = select(func.count()).where(
            jobs.c.batch_id == batch_id, jobs.c.state.in_((State.QUEUED, State.RUNNING))
        )
        changed = select(func.coalesce(_last_end(), batches.c.created_at))
        with self.read() as connection:
            return Standing(
                connection.execute(unfinished).scalar_one(),
                connection.execute(changed.where(batches.c.id == batch_id)).scalar_one(),
            )

    def counts(self, batch_id: int) -> RowCount:
        """The rows of a batch."""
        with self.read() as connection:
            own = select(func.count()).select_from(jobs).where(jobs.c.batch_id == batch_id)
            found = [connection.execute(own).scalar_one()]
            for table in (attempts, motion_features):
                of_jobs = own.join_from(jobs, table, table.c.job_id == jobs.c.id)
                found.append(connection.execute(of_jobs).scalar_one())
        return RowCount(*found)

    def stems(self, batch_id: int) -> Iterator[str]:
        """The stem of the files of each job of a batch, read page by page."""
        after = 0
        while True:
            query = (
                select(jobs.c.id, jobs.c.custom_id, jobs.c.seed)
                .where(jobs.c.batch_id == batch_id, jobs.c.id > after)
                .order_by(jobs.c.id)
                .limit(CHUNK)
            )
            with self.read() as connection:
                rows = connection.execute(query).all()
            if not rows:
                return
            yield from (stem(row.custom_id, row.seed) for row in rows)
            after = rows[-1].id

    def remove_jobs(
        self,
        batch_id: int,
        *,
        before: float,
        limit: int,
        clear: Callable[[Sequence[str]], object],
    ) -> Removal | None:
        """Remove the first jobs of a batch, their attempts, files and features.

        Jobs of other batches that share their motions have files of their own and stay; they no
        longer name the earlier job.

        Args:
            before: epoch seconds, as for `old`.
            limit: maximum number of jobs.
            clear: removes the files of jobs with these stems, while the jobs are locked. An
                exception from it keeps the rows.

        Returns:
            What was removed; None if the batch may no longer be removed.
        """
        first = (
            select(jobs.c.id).where(jobs.c.batch_id == batch_id).order_by(jobs.c.id).limit(limit)
        )
        with self.write() as connection:
            began = time.monotonic()
            ids = list(connection.scalars(first))
            shared = among(connection, jobs.c.cached_from, ids)
            sharing = connection.scalars(select(jobs.c.id).where(shared)).all()
            # Every transaction locks jobs in the order of their ids, which avoids deadlocks.
            locked = (
                select(jobs.c.id, jobs.c.custom_id, jobs.c.seed)
                .where(among(connection, jobs.c.id, sorted({*ids, *sharing})))
                .order_by(jobs.c.id)
                .with_for_update()
            )
            wanted = frozenset(ids)
            rows = [row for row in connection.execute(locked) if row.id in wanted]
            # Looked at after locking: `hymo retry` or a submit may have come first.
            if not _is_old(connection, batch_id, before):
                return None
            clear([stem(row.custom_id, row.seed) for row in rows])
            connection.execute(update(jobs).where(shared).values(cached_from=None))
            gone = {
                table: connection.execute(
                    delete(table).where(among(connection, table.c.job_id, ids))
                ).rowcount
                for table in _OF_JOBS
            }
            removed = connection.execute(delete(jobs).where(among(connection, jobs.c.id, ids)))
            held = time.monotonic() - began
        return Removal(RowCount(removed.rowcount, gone[attempts], gone[motion_features]), held)

    def remove_batch(self, batch_id: int, *, before: float, clear: Callable[[], object]) -> bool:
        """Remove a batch that has no jobs left.

        Args:
            before: epoch seconds, as for `old`.
            clear: removes the batch's folder, while its row is locked. An exception from it keeps
                the row.

        Returns:
            False if the batch has jobs, or may no longer be removed.
        """
        own = batches.c.id == batch_id
        with self.write() as connection:
            # A submit that adds jobs to the batch waits here, and then finds no batch.
            connection.execute(select(batches.c.id).where(own).with_for_update())
            has_jobs = select(jobs.c.id).where(jobs.c.batch_id == batch_id).limit(1)
            if not _is_old(connection, batch_id, before) or connection.scalars(has_jobs).first():
                return False
            clear()
            connection.execute(delete(batches).where(own))
        return True


def _last_end() -> ColumnElement[float]:
    """When a job of the batch last ended; null: none has."""
    own = jobs.c.batch_id == batches.c.id
    return select(func.max(jobs.c.finished_at)).where(own).scalar_subquery()


def _old(before: float) -> ColumnElement[bool]:
    """Condition: all jobs of the batch have ended, and it last changed before this time."""
    # The first job in the order of ix_jobs_batch_id_state: PostgreSQL may read all jobs for an
    # EXISTS.
    order = (jobs.c.batch_id, jobs.c.state, jobs.c.id)
    first = select(jobs.c.id).where(jobs.c.batch_id == batches.c.id).order_by(*order).limit(1)
    ended = (
        first.where(jobs.c.state == state).scalar_subquery().is_(None)
        for state in (State.QUEUED, State.RUNNING)
    )
    last = _last_end()
    return and_(batches.c.created_at < before, or_(last.is_(None), last < before), *ended)


def _is_old(connection: Connection, batch_id: int, before: float) -> bool:
    query = select(batches.c.id).where(batches.c.id == batch_id, _old(before))
    return connection.scalars(query).first() is not None
