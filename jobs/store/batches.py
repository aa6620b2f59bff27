"""Batches: creating them and inserting jobs into them."""

from __future__ import annotations

import builtins
import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, cast

from sqlalchemy import (
    JSON,
    ColumnElement,
    Connection,
    bindparam,
    column,
    func,
    literal_column,
    or_,
    select,
    update,
)

from jobs.domain.attempts import MotionQuality
from jobs.domain.batches import Artifact, Batch, Inserted, NewJob
from jobs.domain.memory import queue_name
from jobs.domain.states import State
from jobs.errors import NotFoundError
from jobs.store.base import CHUNK, Found, StorePart, among, record
from jobs.store.existing import Key, Known, existing_jobs, row_hashes
from jobs.store.motions import add_files, files_of, shared_quality
from jobs.store.tables import batches, jobs

#: Built once, because workers ask it for every message that finds no job.
_NEWEST = select(func.max(batches.c.id))


class BatchStore(StorePart):
    """Creates batches, inserts jobs, and reads the state of whole batches."""

    def ensure(self, name: str, *, source: str, output: str, token: str | None = None) -> Batch:
        """The batch `name`, created with this source and output folder if it does not exist.

        An existing batch keeps its source, output and token, because its files are already there.
        """
        with self.write() as connection:
            connection.execute(
                self._upsert(batches)
                .values(name=name, source=source, output=output, token=token, created_at=self.now())
                .on_conflict_do_nothing(index_elements=["name"])
            )
            return to_batch(connection.execute(_by_name(name)).one())

    def get(self, name: str) -> Batch:
        """The batch `name`; raises `NotFoundError`, which lists batches with similar names."""
        with self.read() as connection:
            return to_batch(_found(connection, name))

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
    ) -> Inserted:
        """Add jobs to a batch in one transaction; jobs that already exist are not changed.

        A job is identified within its batch by (custom id, seed). Repeating a chunk adds nothing.

        Args:
            batch: the batch.
            new: a chunk of jobs, preferably about a thousand.
            attempt_limit: maximum number of attempts of each job.
            place: called before the commit with the cached jobs that were added, to put their files
                in place. An exception from it rolls the chunk back.
        """
        wanted = {(job.spec.custom_id, job.spec.seed): job for job in new}
        with self.write() as connection:
            now = self.present(connection)
            there = row_hashes(connection, batch.id, list(wanted))
            fresh = [job for key, job in wanted.items() if key not in there]
            shared = shared_quality(connection, fresh)
            rows = [
                _row(batch.id, job, shared[job.cached_from], attempt_limit=attempt_limit, now=now)
                for job in fresh
            ]
            added = self._add(connection, rows)
            lost = [key for key in wanted if key not in there and key not in added]
            if lost:
                # Another submit of the batch added them between the query and the insert.
                there |= row_hashes(connection, batch.id, lost)
            kept = {
                number: wanted[key].artifacts
                for key, number in added.items()
                if wanted[key].cached_from is not None
            }
            add_files(connection, kept, now)
            if place is not None:
                place([wanted[key] for key, number in added.items() if number in kept])
        changed = [key for key, digest in there.items() if wanted[key].spec.row_hash() != digest]
        return Inserted(
            new=tuple(
                (number, queue_name(wanted[key].mode, wanted[key].gib))
                for key, number in added.items()
                if number not in kept
            ),
            cached=len(kept),
            existing=len(there) - len(changed),
            changed=tuple(changed),
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

    def counts(self, batch_id: int) -> dict[State, int]:
        """Number of jobs of the batch in each state; states without jobs are omitted."""
        query = (
            select(jobs.c.state, func.count().label("n"))
            .where(jobs.c.batch_id == batch_id)
            .group_by(jobs.c.state)
        )
        with self.read() as connection:
            return {State(row.state): row.n for row in connection.execute(query)}

    def _add(
        self, connection: Connection, rows: builtins.list[dict[str, Any]]
    ) -> dict[tuple[str, int], int]:
        """Ids of the added rows by identity; rows that already exist are omitted."""
        if not rows:
            return {}
        statement, values = self._upsert(jobs), cast("Any", rows)
        if self._is_postgresql:
            statement = statement.from_select(*_from_json([*rows[0]]))
            values = {"rows": rows}
        added = statement.on_conflict_do_nothing(
            index_elements=["batch_id", "custom_id", "seed"]
        ).returning(jobs.c.id, jobs.c.custom_id, jobs.c.seed)
        return {(r.custom_id, r.seed): r.id for r in connection.execute(added, values)}


def _from_json(names: builtins.list[str]) -> tuple[builtins.list[str], Any]:
    """Columns and rows of an insert whose rows are passed as one JSON value, the parameter `rows`.

    PostgreSQL's driver takes ten times longer for 25 000 placeholders (a thousand rows).
    """
    rows = func.json_populate_recordset(
        literal_column("NULL::jobs"), bindparam("rows", type_=JSON)
    ).table_valued(*(column(name) for name in names))
    return names, select(*rows.c)


def _by_name(name: str) -> Any:
    return select(batches).where(batches.c.name == name)


def _found(connection: Connection, name: str) -> Found:
    row = connection.execute(_by_name(name)).one_or_none()
    if row is not None:
        return row
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


def _row(
    batch_id: int, job: NewJob, quality: MotionQuality, *, attempt_limit: int, now: float
) -> dict[str, Any]:
    spec = job.spec
    cached = job.cached_from is not None
    zero = 0.0 if cached else None
    return {
        "batch_id": batch_id,
        "custom_id": spec.custom_id,
        "seed": spec.seed,
        "prompt": spec.prompt,
        "original_prompt": spec.original_prompt,
        "rewrite": spec.rewrite,
        "frames": spec.frames,
        "requested_mode": spec.mode,
        "mode": job.mode,
        "steps": spec.steps,
        "guidance": spec.guidance,
        "priority": spec.priority,
        "formats": list(spec.formats),
        "model": spec.model,
        "revision": job.revision,
        "metadata": dict(spec.metadata),
        "row_hash": spec.row_hash(),
        "content_hash": spec.content_hash(job.mode, job.revision),
        "class_gib": job.gib,
        "state": State.SUCCEEDED if cached else State.QUEUED,
        "attempt_limit": attempt_limit,
        "created_at": now,
        "queued_at": now,
        "finished_at": now if cached else None,
        "cached_from": job.cached_from,
        **dict.fromkeys(("queue_s", "load_s", "encode_s", "sample_s", "decode_s", "save_s"), zero),
        **asdict(quality),
    }


def to_batch(row: Found) -> Batch:
    """A batch from a row of the batches table."""
    return record(Batch, row)
