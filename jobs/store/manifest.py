"""What a batch's `manifest.jsonl` is written from."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import func, or_, select, update

from jobs.domain.batches import Artifact, Batch, ManifestRow
from jobs.domain.spec import stem
from jobs.domain.states import FINAL, Failure, State
from jobs.store.base import CHUNK, Found, StorePart, record
from jobs.store.batches import to_batch
from jobs.store.motions import files_of
from jobs.store.tables import batches, jobs

#: Seconds by which a commit may become visible after a later reading of the clock (see `dirty`).
COMMIT_LAG = 10.0


class ManifestStore(StorePart):
    """Which manifests are behind the database, and the rows to write them from."""

    def running(self, batch_id: int) -> frozenset[tuple[str, int]]:
        """(stem of its files, attempt) of each job of the batch that runs."""
        query = select(jobs.c.custom_id, jobs.c.seed, jobs.c.attempt).where(
            jobs.c.batch_id == batch_id, jobs.c.state == State.RUNNING
        )
        with self.read() as connection:
            return frozenset(
                (stem(row.custom_id, row.seed), row.attempt) for row in connection.execute(query)
            )

    def dirty(self, *, every: float = 0.0) -> list[Batch]:
        """Batches with finished jobs that their manifest may lack.

        Args:
            every: leave out those whose manifest was written less than so many seconds ago.

        A job's `finished_at` is read before its transaction commits, so a manifest written at t
        may lack a job that finished a little before t. Hence the margin: for `COMMIT_LAG` seconds
        after its last job a batch stays dirty, and its manifest is written once more.
        """
        last = (
            select(func.max(jobs.c.finished_at))
            .where(jobs.c.batch_id == batches.c.id)
            .scalar_subquery()
        )
        query = (
            select(batches)
            .where(
                last.is_not(None),
                or_(batches.c.manifest_at.is_(None), last > batches.c.manifest_at - COMMIT_LAG),
            )
            .order_by(batches.c.id)
        )
        with self.read() as connection:
            if every:
                late = self.present(connection) - every
                query = query.where(
                    or_(batches.c.manifest_at.is_(None), batches.c.manifest_at <= late)
                )
            return [to_batch(row) for row in connection.execute(query)]

    def manifest_rows(self, batch_id: int) -> Iterator[ManifestRow]:
        """The batch's finished jobs by id, read a page at a time: memory stays bounded.

        Each page is a transaction of its own, so a long walk blocks nobody. Jobs that finish
        meanwhile may be missing; `dirty` names the batch again then.
        """
        after = 0
        while page := self._page(batch_id, after):
            yield from page
            after = page[-1].id

    def mark_manifest(self, batch_id: int, at: float) -> None:
        """Note that the batch's manifest holds what was committed at `at`.

        `at` is the store's `time()` read before the first row was.
        """
        with self.write() as connection:
            connection.execute(
                update(batches).where(batches.c.id == batch_id).values(manifest_at=at)
            )

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
