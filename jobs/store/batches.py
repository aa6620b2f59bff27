"""Batches: creating them and inserting jobs into them."""

from __future__ import annotations

import builtins
import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    func,
    literal,
    or_,
    select,
    update,
)

from jobs.domain.batches import Artifact, Batch, Inserted, NewJob
from jobs.domain.memory import queue_name
from jobs.domain.names import fold
from jobs.domain.states import State
from jobs.errors import ConflictError, NotFoundError
from jobs.store.base import CHUNK, Found, StorePart, among, record
from jobs.store.existing import Key, Known, Span, existing_count, existing_jobs, other_spellings
from jobs.store.insertion import BatchRows, with_sources
from jobs.store.motions import add_files, files_of
from jobs.store.tables import batches, jobs

#: Built once, because workers ask it for every message that finds no job.
_NEWEST = select(func.max(batches.c.id))
#: Key of PostgreSQL's advisory lock for creating a batch; any number that nothing else uses.
_ADVISORY_LOCK = 0x68796D6F6E616D65


class BatchStore(StorePart):
    """Creates batches, inserts jobs, and reads the state of whole batches."""

    def ensure(self, name: str, *, source: str, output: str, token: str | None = None) -> Batch:
        """The batch `name`, created with this source and output folder if it does not exist.

        An existing batch keeps its source, output and token, because its files are already there.

        Raises:
            ConflictError: a batch exists whose name differs only in case or normal form.
        """
        with self.write() as connection:
            there = connection.execute(_by_name(name)).one_or_none()
            if there is not None:
                return to_batch(there)
            if self._is_postgresql:
                # So that of two spellings at once only one is created. SQLite has one writer.
                lock = func.pg_advisory_xact_lock(literal(_ADVISORY_LOCK))
                connection.execute(select(lock))
            other = connection.scalars(_folded(name).limit(1)).first()
            if other is not None and other != name:
                raise ConflictError(
                    f"batch {name}",
                    f"another spelling of batch {other}, whose folder some file systems take for "
                    "the same",
                    f"write --batch {other} to add to it, or choose another name with --batch",
                )
            connection.execute(
                self._upsert(batches)
                .values(
                    name=name, folded_name=fold(name), source=source, output=output, token=token,
                    created_at=self.now(),
                )
                .on_conflict_do_nothing(index_elements=["name"])
            )  # fmt: skip
            return to_batch(connection.execute(_by_name(name)).one())

    def get(self, name: str) -> Batch:
        """The batch `name`, or the one whose name differs only in case or normal form.

        Raises `NotFoundError`, which lists batches with similar names.
        """
        with self.read() as connection:
            return to_batch(_found(connection, name))

    def made_from(self, source: str) -> builtins.list[Batch]:
        """The batches that were created with this source, newest first."""
        query = select(batches).where(batches.c.source == source).order_by(batches.c.id.desc())
        with self.read() as connection:
            return [to_batch(row) for row in connection.execute(query)]

    def list(self, limit: int = 100) -> list[Batch]:
        """The newest batches, newest first."""
        query = select(batches).order_by(batches.c.id.desc()).limit(limit)
        with self.read() as connection:
            return [to_batch(row) for row in connection.execute(query)]

    def unfinished(self, *, after: int = 0) -> tuple[int, Sequence[Batch]]:
        """The id of the newest batch, and the batches that have jobs to run or no jobs yet.

        Args:
            after: leave out the batches up to this id.
        """
        with self.read() as connection:
            newest = connection.execute(_NEWEST).scalar_one() or 0
            if newest <= after:
                return newest, []
            # The first job in the order of ix_jobs_batch_id_state: PostgreSQL may read all jobs for
            # an EXISTS.
            order = (jobs.c.batch_id, jobs.c.state, jobs.c.id)
            own = jobs.c.batch_id == batches.c.id
            first = select(jobs.c.id).where(own).order_by(*order).limit(1)
            queued, running = (
                first.where(jobs.c.state == state).scalar_subquery().is_not(None)
                for state in (State.QUEUED, State.RUNNING)
            )
            query = select(batches).where(
                batches.c.id > after,
                batches.c.id <= newest,
                or_(queued, running, first.scalar_subquery().is_(None)),
            )
            found = connection.execute(query.order_by(batches.c.id))
            return newest, [to_batch(row) for row in found]

    def adopt(self, batch_id: int, token: str) -> str | None:
        """Record the token of the mark in the batch's folder if none is recorded yet.

        Returns:
            The batch's token: this one, or that of a process that came first.
        """
        own = batches.c.id == batch_id
        with self.write() as connection:
            connection.execute(
                update(batches).where(own, batches.c.token == "").values(token=token)
            )
            found: str | None = connection.scalars(select(batches.c.token).where(own)).one_or_none()
            return found

    def pause(self, name: str) -> Batch:
        """Stop further jobs of the batch from being claimed; running jobs finish."""
        with self.write() as connection:
            return _set_paused(connection, name, paused=True)

    def resume(self, name: str) -> Batch:
        """Undo `pause`. Queued jobs are published again: workers consumed their messages."""
        with self.write() as connection:
            batch = _set_paused(connection, name, paused=False)
            # Every transaction locks jobs in the order of their ids, which avoids deadlocks.
            published = (
                select(jobs.c.id)
                .where(jobs.c.batch_id == batch.id, jobs.c.state == State.QUEUED)
                .where(jobs.c.published_at.is_not(None))
                .order_by(jobs.c.id)
                .with_for_update()
            )
            connection.execute(
                update(jobs).where(jobs.c.id.in_(published)).values(published_at=None)
            )
        return batch

    def insert(
        self,
        batch: Batch,
        new: Sequence[NewJob],
        *,
        attempt_limit: int,
        place: Callable[[Sequence[NewJob]], None] | None = None,
        replace: bool = False,
    ) -> Inserted:
        """Add jobs to a batch in one transaction; of jobs that exist, only the priority changes.

        A job is identified within its batch by (custom id, seed). Repeating a chunk adds nothing. A
        job whose id differs from another id of the batch only in case or normal form is left out.

        Args:
            batch: the batch.
            new: a chunk of jobs, preferably about a thousand.
            attempt_limit: maximum number of attempts of each job.
            place: called before the commit with the cached jobs that were added, to put their files
                in place. An exception from it rolls the chunk back.
            replace: replace the rows of changed jobs that no worker has claimed yet.

        Raises:
            ConflictError: `hymo prune` removed the batch meanwhile.
        """
        with self.write() as connection:
            # Submits of one batch insert in turn, so that none misses a spelling of the other's.
            # This lock stops neither claims nor the check of the batch's foreign key.
            own = select(batches.c.id).where(batches.c.id == batch.id)
            if connection.scalars(own.with_for_update(key_share=True)).first() is None:
                mend = "submit the file again, which creates it anew"
                raise ConflictError(f"batch {batch.name}", "removed by `hymo prune` just now", mend)
            new = with_sources(connection, new)
            wanted = {(job.spec.custom_id, job.spec.seed): job for job in new}
            rows = BatchRows(batch.id, attempt_limit, self.present(connection))
            there = existing_jobs(connection, batch.id, list(wanted), files=False)
            ids = dict.fromkeys(key[0] for key in wanted if key not in there)
            respelt = other_spellings(connection, batch.id, ids)
            left = {k: respelt[k[0]] for k in wanted if k not in there and k[0] in respelt}
            fresh = [job for key, job in wanted.items() if key not in there and key not in left]
            added = rows.add(connection, fresh)
            changes = rows.change(connection, there, wanted, replace=replace)
            put = {
                number: wanted[key]
                for key, number in (added | changes.updated).items()
                if wanted[key].cached_from is not None
            }
            add_files(connection, {n: job.artifacts for n, job in put.items()}, rows.now)
            if place is not None:
                place(list(put.values()))
        queued, updated = _messages(added, wanted), _messages(changes.updated, wanted)
        return Inserted(
            new=queued,
            cached=len(added) - len(queued),
            existing=len(there) - len(changes.changed) - len(changes.updated),
            changed=changes.changed,
            reprioritised=changes.reprioritised,
            updated=updated,
            updated_cached=len(changes.updated) - len(updated),
            respelt=left,
        )

    def content(self, hashes: Sequence[str]) -> Mapping[str, tuple[int, tuple[Artifact, ...]]]:
        """The newest succeeded job of each content hash, with its files."""
        with self.read() as connection:
            newest = connection.execute(_newest(connection, hashes)).all()
            files = files_of(connection, [row.job_id for row in newest])
        return {row.content_hash: (row.job_id, files.get(row.job_id, ())) for row in newest}

    def existing(self, batch_id: int, keys: Sequence[Key]) -> Mapping[Key, Known]:
        """The jobs of the batch with these identities, and the files of those that succeeded.

        Jobs that are inserted at the same time may be missing.
        """
        with self.read() as connection:
            return existing_jobs(connection, batch_id, keys)

    def count_existing(self, batch_id: int, spans: Sequence[Span]) -> int:
        """The number of jobs that a batch has within these spans."""
        with self.read() as connection:
            return existing_count(connection, batch_id, spans)

    def counts(self, batch_id: int) -> dict[State, int]:
        """Number of jobs of the batch in each state; states without jobs are omitted."""
        query = (
            select(jobs.c.state, func.count().label("n"))
            .where(jobs.c.batch_id == batch_id)
            .group_by(jobs.c.state)
        )
        with self.read() as connection:
            return {State(row.state): row.n for row in connection.execute(query)}


def _messages(
    numbers: Mapping[Key, int], wanted: Mapping[Key, NewJob]
) -> tuple[tuple[int, str], ...]:
    """(job id, queue) of those jobs that have yet to be made."""
    return tuple(
        (number, queue_name(wanted[key].mode, wanted[key].gib))
        for key, number in numbers.items()
        if wanted[key].cached_from is None
    )


def _by_name(name: str) -> Any:
    return select(batches).where(batches.c.name == name)


def _folded(name: str) -> Any:
    """The names that some file system takes for `name`."""
    return select(batches.c.name).where(batches.c.folded_name == fold(name))


def _found(connection: Connection, name: str) -> Found:
    row = connection.execute(_by_name(name)).one_or_none()
    if row is not None:
        return row
    alike = connection.scalars(_folded(name)).all()
    if len(alike) == 1:
        return connection.execute(_by_name(alike[0])).one()
    if alike:
        raise NotFoundError("batch", name, f"write {' or '.join(sorted(alike))}")
    names = connection.scalars(
        select(batches.c.name).order_by(batches.c.id.desc()).limit(CHUNK)
    ).all()
    close = difflib.get_close_matches(name, names, n=3) or names[:3]
    mend = f"existing batches include {', '.join(close)}" if close else "nothing was submitted yet"
    raise NotFoundError("batch", name, mend)


def _set_paused(connection: Connection, name: str, *, paused: bool) -> Batch:
    own = batches.c.id == _found(connection, name).id
    changed = update(batches).where(own).values(paused=paused).returning(batches)
    return to_batch(connection.execute(changed).one())


def _newest(connection: Connection, hashes: Sequence[str]) -> Any:
    succeeded: ColumnElement[bool] = jobs.c.state == State.SUCCEEDED
    if connection.dialect.name == "sqlite":
        # SQLite has no statistics and would scan all succeeded jobs instead of using the index on
        # content_hash: 250 ms instead of 4 ms for a thousand hashes among a million jobs.
        succeeded = func.likely(succeeded)
    return (
        select(jobs.c.content_hash, func.max(jobs.c.id).label("job_id"))
        .where(succeeded, among(connection, jobs.c.content_hash, hashes))
        .group_by(jobs.c.content_hash)
    )


def to_batch(row: Found) -> Batch:
    """A batch from a row of the batches table."""
    return record(Batch, row)
