"""The SQL tables. Migrations import only this module of the package.

Times are epoch seconds (UTC, double precision) by the database's clock, because SQLite and
PostgreSQL compare and subtract numbers in the same way. Sizes are in bytes, durations in seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

metadata = MetaData(naming_convention=NAMING)

#: SQLite generates row ids only for a column whose type is exactly INTEGER.
Key = BigInteger().with_variant(Integer, "sqlite")


def _measured() -> Sequence[Column[Any]]:
    """Seconds of each phase, the peak of memory, and the quality of the motion (docs/measures.md)
    in mm per 1/30 s, mm and m/s³; null: not measured."""
    seconds = [f"{phase}_s" for phase in ("queue", "load", "encode", "sample", "decode", "save")]
    peak: Column[Any] = Column("peak_memory_bytes", BigInteger)
    return [
        *(Column(name, Double) for name in seconds), peak,
        *(Column(name, Double) for name in ("skate_mm", "penetration_mm", "jitter")),
    ]  # fmt: skip


STATES = "('queued', 'running', 'succeeded', 'failed', 'cancelled')"

batches = Table(
    "batches",
    metadata,
    Column("id", Key, primary_key=True),
    Column("name", String(200), nullable=False, unique=True),
    Column("source", Text, nullable=False),
    Column("output", Text, nullable=False),
    Column("paused", Boolean, nullable=False, server_default=text("false")),
    Column("created_at", Double, nullable=False),
    # When the batch's manifest was last written; null: never.
    Column("manifest_at", Double),
    # The name as file systems compare it (`jobs.domain.names.fold`).
    Column("folded_name", Text, index=True),
    # The content of the mark in the batch's folder (`jobs.artifacts.folder`), which tells this
    # folder from one of the same path elsewhere; empty: nobody has laid one; null: the folder is
    # not checked.
    Column("token", Text),
)

workers = Table(
    "workers",
    metadata,
    Column("id", Key, primary_key=True),
    Column("name", String(200), nullable=False),
    Column("state", String(16), nullable=False),
    Column("host", String(255), nullable=False),
    Column("pid", Integer),
    Column("device", String(64), nullable=False),
    Column("card", String(100), nullable=False),
    Column("modes", JSON, nullable=False),
    Column("models", JSON, nullable=False),
    Column("memory_bytes", BigInteger, nullable=False),
    Column("max_frames", JSON, nullable=False),
    Column("dtype", String(16), nullable=False),
    Column("nvlink", Boolean, nullable=False, server_default=text("false")),
    Column("queues", JSON, nullable=False),
    Column("tags", JSON, nullable=False),
    # revisions: model → mode → revision of the weights that the worker has; null: any revision.
    # encoders: model → revision of the worker's text encoder; null: it encodes no texts.
    Column("revisions", JSON),
    Column("encoders", JSON),
    # The GPU's UUID, and what the worker does not take for now (`jobs.domain.workers.Pause`).
    Column("uuid", String(100)),
    Column("pauses", JSON),
    Column("started_at", Double, nullable=False),
    Column("seen_at", Double, nullable=False),
    Column("stopped_at", Double),
    CheckConstraint("state IN ('declared', 'live', 'draining', 'stopped')", name="state"),
    Index("ix_workers_state_seen_at", "state", "seen_at"),
    # A name can be declared only once, but live workers may have the same name.
    Index(
        "ix_workers_declared",
        "name",
        unique=True,
        sqlite_where=text("state = 'declared'"),
        postgresql_where=text("state = 'declared'"),
    ),
)

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
    *_measured(),
    # The class (GiB) and the revision of the encoder that must encode the job's text before it can
    # be sampled; null: the job does not wait for its text.
    Column("encode_gib", Integer),
    Column("text_revision", Text),
    # The prompt of the row if a rewriter was asked to change it, and the result of the rewriting.
    Column("original_prompt", Text),
    Column("rewrite", Text),
    # The id as file systems compare it (`jobs.domain.names.fold`).
    Column("folded_id", Text),
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

#: A claim reads one lane (mode, model, class) at a time, in the order of claiming, so that a worker
#: never scans jobs that it cannot run. The index contains the batch so that jobs of paused batches
#: are skipped without reading their rows.
_LANE = (
    jobs.c.mode, jobs.c.model, jobs.c.class_gib, jobs.c.priority.desc(), jobs.c.id,
    jobs.c.batch_id,
)  # fmt: skip
Index(
    "ix_jobs_claim",
    *_LANE,
    sqlite_where=text("state = 'queued' AND encode_gib IS NULL AND suspect = false"),
    postgresql_where=text("state = 'queued' AND encode_gib IS NULL AND suspect = false"),
)
#: Suspects have lanes of their own. The state is the first column although it is constant in this
#: index: without it SQLite, which has no statistics, would search the whole queue for a suspect.
Index(
    "ix_jobs_suspect",
    jobs.c.state,
    *_LANE,
    sqlite_where=text("state = 'queued' AND encode_gib IS NULL AND suspect = true"),
    postgresql_where=text("state = 'queued' AND encode_gib IS NULL AND suspect = true"),
)
#: Jobs that wait for their text, in the order of encoding.
Index(
    "ix_jobs_encode",
    jobs.c.text_revision,
    jobs.c.priority.desc(),
    jobs.c.id,
    sqlite_where=text("state = 'queued' AND encode_gib IS NOT NULL"),
    postgresql_where=text("state = 'queued' AND encode_gib IS NOT NULL"),
)
#: The state is the first column for the same reason: SQLite would use ix_jobs_state_id.
Index(
    "ix_jobs_unpublished",
    jobs.c.state,
    jobs.c.id,
    sqlite_where=text("state = 'queued' AND published_at IS NULL"),
    postgresql_where=text("state = 'queued' AND published_at IS NULL"),
)
Index(
    "ix_jobs_lease",
    jobs.c.lease_until,
    sqlite_where=text("state = 'running'"),
    postgresql_where=text("state = 'running'"),
)
Index("ix_jobs_batch_id_folded_id", jobs.c.batch_id, jobs.c.folded_id)
Index("ix_jobs_batch_id_state", jobs.c.batch_id, jobs.c.state, jobs.c.id)
Index("ix_jobs_batch_id_finished_at", jobs.c.batch_id, jobs.c.finished_at)
Index("ix_jobs_state_id", jobs.c.state, jobs.c.id)
Index("ix_jobs_created_at", jobs.c.created_at)
Index(
    "ix_jobs_content_hash",
    jobs.c.content_hash,
    sqlite_where=text("state = 'succeeded'"),
    postgresql_where=text("state = 'succeeded'"),
)

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
    Index(
        f"ix_jobs_{_column.name}_id",
        _column,
        jobs.c.id,
        sqlite_where=_column.is_not(None),
        postgresql_where=_column.is_not(None),
    )

attempts = Table(
    "attempts",
    metadata,
    Column("id", Key, primary_key=True),
    Column("job_id", ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("worker_id", ForeignKey("workers.id"), nullable=False),
    Column("worker_name", String(200), nullable=False),
    Column("card", String(100), nullable=False),
    Column("mode", String(8), nullable=False),
    Column("pack_size", Integer, nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("failure", String(16)),
    Column("error", Text),
    Column("started_at", Double, nullable=False),
    Column("finished_at", Double),
    *_measured(),
    # How the attempt was run: see `jobs.domain.attempts.Run`.
    Column("dtype", String(16)),
    Column("plan", String(16)),
    Column("embedding", String(8)),
    Column("loads", Integer),
    Column("numerics_step", Integer),
    Column("numerics_dtype", String(16)),
    UniqueConstraint("job_id", "number"),
    CheckConstraint(
        "outcome IN ('running', 'succeeded', 'failed', 'cancelled', 'released', 'encoded')",
        name="outcome",
    ),
)

artifacts = Table(
    "artifacts",
    metadata,
    Column("id", Key, primary_key=True),
    Column("job_id", ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
    Column("format", String(16), nullable=False),
    Column("path", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("created_at", Double, nullable=False),
    UniqueConstraint("job_id", "format"),
)

#: Features of a job's motion, from which `history stats` computes the distance to real motions
#: (docs/measures.md). The worker that made the motion writes them. They are stored apart from the
#: jobs because they take 2.4 kB per motion and no other query reads them.
motion_features = Table(
    "motion_features",
    metadata,
    Column(
        "job_id", ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    ),
    # Revision of the reference statistics that the features were computed with.
    Column("reference", String(64), nullable=False),
    Column("windows", Integer, nullable=False),
    Column("blob", LargeBinary, nullable=False),
)

#: What only one process of a fleet does at a time, and which one does it now.
duties = Table(
    "duties",
    metadata,
    Column("name", String(200), primary_key=True),
    # A random token of the process.
    Column("holder", String(200), nullable=False),
    Column("held_at", Double, nullable=False),
    Column("until", Double, nullable=False),
)
