"""Rows of a batch's `manifest.jsonl`, and which manifests are out of date."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sqlalchemy import func, or_, select, update

from jobs.domain.batches import Artifact, Batch, ManifestRow
from jobs.domain.spec import stem
from jobs.domain.states import FINAL, Failure, State
from jobs.store.base import AHEAD, CHUNK, Found, StorePart, record
from jobs.store.batches import to_batch
from jobs.store.motions import files_of
from jobs.store.tables import batches, jobs

#: Maximum seconds between reading the clock and the commit becoming visible (see `dirty`).
COMMIT_LAG = 10.0


class ManifestStore(StorePart):
    """Reads which manifests are out of date, and the rows to write them from."""

    def running(self, batch_id: int) -> frozenset[tuple[str, int]]:
        """(stem of the files, attempt) of each running job of the batch."""
        query = select(jobs.c.custom_id, jobs.c.seed, jobs.c.attempt).where(
            jobs.c.batch_id == batch_id, jobs.c.state == State.RUNNING
        )
        with self.read() as connection:
            return frozenset(
                (stem(row.custom_id, row.seed), row.attempt) for row in connection.execute(query)
            )

    def dirty(self, *, every: float = 0.0) -> list[Batch]:
        """Batches whose manifest may lack finished jobs.

        A job's `finished_at` is read before its transaction commits, so a manifest written at t
        may lack a job that finished shortly before t. A batch therefore stays dirty for
        `COMMIT_LAG` seconds after its last job, and its manifest is written once more.

        Args:
            every: omit batches whose manifest was written less than this many seconds ago.
        """
        last = (
            select(func.max(jobs.c.finished_at))
            .where(jobs.c.batch_id == batches.c.id)
            .scalar_subquery()
        )
        with self.read() as connection:
            now = self.present(connection)
            # Jobs that finish after the clock was set back seem older than the manifest.
            set_back = batches.c.manifest_at > now + AHEAD
            new = or_(batches.c.manifest_at.is_(None), set_back)
            query = (
                select(batches)
                .where(last.is_not(None), or_(new, last > batches.c.manifest_at - COMMIT_LAG))
                .order_by(batches.c.id)
            )
            if every:
                query = query.where(or_(new, batches.c.manifest_at <= now - every))
            return [to_batch(row) for row in connection.execute(query)]

    def manifest_rows(self, batch_id: int) -> Iterator[ManifestRow]:
        """The batch's finished jobs by id, read page by page to bound memory.

        Each page is read in its own transaction, so that a large batch blocks no other transaction.
        Jobs that finish in the meantime may be missing; `dirty` then returns the batch again.
        """
        after = 0
        while page := self._page(batch_id, after):
            yield from page
            after = page[-1].id

    def mark_manifest(self, batch: Batch, at: float, *, place: Callable[[], object]) -> bool:
        """Record that the batch's manifest contains the jobs that were committed at `at`.

        Several processes may write a manifest at once. If an older one replaced a newer one, its
        rows would stay missing; so the file is renamed while the row is locked, and only if no
        other process has written the manifest since `batch` was read.

        Args:
            batch: as read before the first row of the manifest.
            at: the store's `time()`, read before the first row.
            place: renames the file; an exception from it leaves the row unchanged.

        Returns:
            Whether the file was renamed.
        """
        with self.write() as connection:
            ours = connection.execute(
                update(batches)
                .where(
                    batches.c.id == batch.id,
                    batches.c.manifest_at.is_not_distinct_from(batch.manifest_at),
                )
                .values(manifest_at=at)
            )
            if ours.rowcount == 0:
                return False
            place()
        return True

    def _page(self, batch_id: int, after: int) -> list[ManifestRow]:
        query = (
            select(
                jobs.c.id, jobs.c.custom_id, jobs.c.prompt, jobs.c.original_prompt,
                jobs.c.rewrite, jobs.c.mode, jobs.c.frames, jobs.c.seed, jobs.c.state,
                jobs.c.failure, jobs.c.cached_from, jobs.c.metadata,
            )
            .where(jobs.c.batch_id == batch_id, jobs.c.id > after, jobs.c.state.in_(FINAL))
            .order_by(jobs.c.id)
            .limit(CHUNK)
        )  # fmt: skip
        with self.read() as connection:
            rows = connection.execute(query).all()
            files = files_of(connection, [row.id for row in rows])
        return [_manifest_row(row, files.get(row.id, ())) for row in rows]


def _manifest_row(row: Found, files: tuple[Artifact, ...]) -> ManifestRow:
    failure = None if row.failure is None else Failure(row.failure)
    return record(ManifestRow, row, state=State(row.state), failure=failure, artifacts=files)
