"""The jobs and their indexes."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    Computed,
    Double,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UnaryExpression,
    UniqueConstraint,
    text,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.operators import nulls_first_op

from jobs.store.tables.columns import Key, measured, metadata

STATES = "('queued', 'running', 'succeeded', 'failed', 'cancelled')"

jobs = Table(
    "jobs",
    metadata,
    Column("id", Key, primary_key=True),
    Column("batch_id", ForeignKey("batches.id"), nullable=False),
    Column("custom_id", String(100), nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("prompt", Text, nullable=False),
    Column("frames", Integer, nullable=False),
    Column("requested_mode", String(8), nullable=False),
    Column("mode", String(8), nullable=False),
    Column("steps", Integer, nullable=False),
    Column("guidance", Double, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("formats", JSON, nullable=False),
    Column("model", String(100), nullable=False),
    Column("revision", String(100), nullable=False),
    Column("metadata", JSON, nullable=False),
    Column("row_hash", String(64), nullable=False),
    Column("content_hash", String(64), nullable=False),
    # The memory class in GiB, which together with the mode determines the queue.
    Column("class_gib", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("failure", String(16)),
    Column("error", Text),
    # Number of the last attempt, from 1. Numbers are never reused, because they fence every write.
    Column("attempt", Integer, nullable=False, server_default=text("0")),
    Column("attempt_limit", Integer, nullable=False),
    Column("not_before", Double, nullable=False, server_default=text("0")),
    Column("worker_id", ForeignKey("workers.id")),
    Column("lease_until", Double),
    Column("cancel_requested", Boolean, nullable=False, server_default=text("false")),
    # When its message was last published to Redis; null: it must be published.
    Column("published_at", Double),
    Column("created_at", Double, nullable=False),
    # When it was last queued. The queue wait starts here, or at not_before if that is later.
    Column("queued_at", Double, nullable=False),
    Column("started_at", Double),
    Column("finished_at", Double),
    # The earlier job with the same content whose motion this job shares.
    Column("cached_from", ForeignKey("jobs.id")),
    # Copies of the last attempt's values, so that history reads only one table.
    Column("card", String(100)),
    Column("worker_name", String(200)),
    *measured(),
    # The class (GiB) and the revision of the encoder that must encode the job's text before it can
    # be sampled; null: the job does not wait for its text.
    Column("encode_gib", Integer),
    Column("text_revision", Text),
    # The prompt of the row if a rewriter was asked to change it, and the result of the rewriting.
    Column("original_prompt", Text),
    Column("rewrite", Text),
    # The id as file systems compare it (`jobs.domain.names.fold`).
    Column("folded_id", Text),
    # The priority in `row_hash` if `hymo priority` has changed the job's own; null: the same.
    Column("row_priority", Integer),
    # Whether its worker died or hung while it held the job, so that the job may be to blame. Only
    # success, `hymo retry` and a failure of another kind clear it.
    Column("suspect", Boolean, nullable=False, server_default=text("false")),
    # When the lease was last extended. A time that lies ahead shows that the clock was set back.
    Column("leased_at", Double),
    # How often in a row the job was given back without counting an attempt.
    Column("returns", Integer, nullable=False, server_default=text("0")),
    # The device (`jobs.domain.workers.device_key`) on which the last attempt failed, and until when
    # it leaves the job to others.
    Column("avoid", Text),
    Column("avoid_until", Double),
    # A column, for sorting history: not every database reflects an index on an expression.
    Column("duration_s", Double, Computed("finished_at - started_at", persisted=True)),
    UniqueConstraint("batch_id", "custom_id", "seed"),
    CheckConstraint(f"state IN {STATES}", name="state"),
    CheckConstraint("mode IN ('full', 'lite')", name="mode"),
    CheckConstraint("(state = 'running') = (lease_until IS NOT NULL)", name="lease"),
    sqlite_autoincrement=True,
)


def _partial(name: str, *columns: ColumnElement[Any], where: str) -> None:
    """An index of the rows that meet a condition."""
    Index(name, *columns, sqlite_where=text(where), postgresql_where=text(where))


class _NullsFirst(UnaryExpression[Any]):
    """`NULLS FIRST` where that is not the order of an index anyway, as it is in SQLite."""

    inherit_cache = True


@compiles(_NullsFirst, "sqlite")
def _plain(found: _NullsFirst, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(found.element, **options)


#: The order of jobs in a lane. No id is null, but no other index of PostgreSQL has its nulls first:
#: if one had this order, PostgreSQL might read it, and pass over every job of other lanes.
CLAIM_ORDER = (
    jobs.c.priority.desc(), jobs.c.batch_id, _NullsFirst(jobs.c.id, modifier=nulls_first_op),
)  # fmt: skip
#: A claim reads one lane (mode, model, class) at a time, in the order of claiming, so that a worker
#: never scans jobs that it cannot run. Since the batch comes before the id, a claim reaches the
#: batch whose turn it is, and passes over one that is paused, without reading jobs of others.
_LANE = (jobs.c.mode, jobs.c.model, jobs.c.class_gib, *CLAIM_ORDER)
_SAMPLING = "state = 'queued' AND encode_gib IS NULL"
_partial("ix_jobs_claim", *_LANE, where=f"{_SAMPLING} AND suspect = false")
#: Suspects have lanes of their own. The state is the first column although it is constant in this
#: index: without it SQLite, which has no statistics, would search the whole queue for a suspect.
_partial("ix_jobs_suspect", jobs.c.state, *_LANE, where=f"{_SAMPLING} AND suspect = true")
#: Jobs that wait for their text, in the order of encoding.
_partial(
    "ix_jobs_encode", jobs.c.text_revision, *CLAIM_ORDER,
    where="state = 'queued' AND encode_gib IS NOT NULL",
)  # fmt: skip
#: The state is the first column for the same reason: SQLite would use ix_jobs_state_id.
_partial(
    "ix_jobs_unpublished", jobs.c.state, jobs.c.id,
    where="state = 'queued' AND published_at IS NULL",
)  # fmt: skip
_partial("ix_jobs_lease", jobs.c.lease_until, where="state = 'running'")
Index("ix_jobs_batch_id_folded_id", jobs.c.batch_id, jobs.c.folded_id)
Index("ix_jobs_batch_id_state", jobs.c.batch_id, jobs.c.state, jobs.c.id)
Index("ix_jobs_batch_id_finished_at", jobs.c.batch_id, jobs.c.finished_at)
Index("ix_jobs_state_id", jobs.c.state, jobs.c.id)
Index("ix_jobs_created_at", jobs.c.created_at)
#: For pruning: the database looks for jobs that refer to each deleted one.
_partial("ix_jobs_cached_from", jobs.c.cached_from, where="cached_from IS NOT NULL")
_partial("ix_jobs_content_hash", jobs.c.content_hash, where="state = 'succeeded'")

#: Indexes for the filters and orders of history. The id is the last column, so that the index
#: returns pages in order. Indexes on columns that are null in queued jobs are partial, so that
#: submitting does not update them.
Index("ix_jobs_batch_id_id", jobs.c.batch_id, jobs.c.id)
Index("ix_jobs_priority_id", jobs.c.priority, jobs.c.id)
for _column in (
    jobs.c.card,
    jobs.c.worker_name,
    jobs.c.failure,
    jobs.c.finished_at,
    jobs.c.duration_s,
    jobs.c.queue_s,
    jobs.c.peak_memory_bytes,
    jobs.c.skate_mm,
    jobs.c.penetration_mm,
    jobs.c.jitter,
):
    _partial(f"ix_jobs_{_column.name}_id", _column, jobs.c.id, where=f"{_column.name} IS NOT NULL")
