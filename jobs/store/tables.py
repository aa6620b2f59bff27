"""The SQL tables. Migrations import this file and nothing else of the room.

Times are epoch seconds (UTC, double precision) by the database's clock: one representation that
SQLite and PostgreSQL compare and subtract alike. Sizes are bytes, durations seconds.
"""

from __future__ import annotations

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

#: SQLite numbers rows itself only for a column typed exactly INTEGER.
Key = BigInteger().with_variant(Integer, "sqlite")

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
    # When the batch's manifest was last written from SQL; null: never.
    Column("manifest_at", Double),
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
    # Model → mode → revision of the weights it has; model → revision of the text encoder that it
    # encodes with. Null: whatever a job asks for, and nothing.
    Column("revisions", JSON),
    Column("encoders", JSON),
    Column("started_at", Double, nullable=False),
    Column("seen_at", Double, nullable=False),
    Column("stopped_at", Double),
    CheckConstraint("state IN ('declared', 'live', 'draining', 'stopped')", name="state"),
    Index("ix_workers_state_seen_at", "state", "seen_at"),
    # A machine is declared once; live workers may share a name with it.
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
    # Routing: the ladder step in GiB; with mode it names the queue.
    Column("class_gib", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("failure", String(16)),
    Column("error", Text),
    # Attempts are numbered from 1 and never reused: the number fences every write.
    Column("attempt", Integer, nullable=False, server_default=text("0")),
    Column("attempt_limit", Integer, nullable=False),
    Column("not_before", Double, nullable=False, server_default=text("0")),
    Column("worker_id", ForeignKey("workers.id")),
    Column("lease_until", Double),
    Column("cancel_requested", Boolean, nullable=False, server_default=text("false")),
    # When its message was last put in Redis; null: to be published.
    Column("published_at", Double),
    Column("created_at", Double, nullable=False),
    # When it last became queued: queue wait is counted from here (or from not_before).
    Column("queued_at", Double, nullable=False),
    Column("started_at", Double),
    Column("finished_at", Double),
    # The job whose motion this one has, when its content had already succeeded.
    Column("cached_from", ForeignKey("jobs.id")),
    # The last attempt's figures again, so that history reads one table.
    Column("card", String(100)),
    Column("worker_name", String(200)),
    Column("queue_s", Double),
    Column("load_s", Double),
    Column("encode_s", Double),
    Column("sample_s", Double),
    Column("decode_s", Double),
    Column("save_s", Double),
    Column("peak_memory_bytes", BigInteger),
    # What the motion is like (docs/measures.md): mm per 1/30 s, mm, m/s³. Null: not measured.
    Column("skate_mm", Double),
    Column("penetration_mm", Double),
    Column("jitter", Double),
    # Waits for its text to be encoded, by a worker of this class (GiB) and with this encoder,
    # before it can be sampled; null: it does not.
    Column("encode_gib", Integer),
    Column("text_revision", Text),
    # What the row said where a rewriter was asked for the prompt, and what came of that.
    Column("original_prompt", Text),
    Column("rewrite", Text),
    # For sorting history by it: an index on an expression is not reflected by every database.
    Column("duration_s", Double, Computed("finished_at - started_at", persisted=True)),
    UniqueConstraint("batch_id", "custom_id", "seed"),
    CheckConstraint(f"state IN {STATES}", name="state"),
    CheckConstraint("mode IN ('full', 'lite')", name="mode"),
    CheckConstraint("(state = 'running') = (lease_until IS NOT NULL)", name="lease"),
    sqlite_autoincrement=True,
)

#: The claim reads a lane (mode, model, class) at a time, in the claim's order within it: a worker
#: never walks past jobs that it cannot take. The batch is in it so that a paused one is passed over
#: without reading its rows.
Index(
    "ix_jobs_claim",
    jobs.c.mode,
    jobs.c.model,
    jobs.c.class_gib,
    jobs.c.priority.desc(),
    jobs.c.id,
    jobs.c.batch_id,
    sqlite_where=text("state = 'queued' AND encode_gib IS NULL"),
    postgresql_where=text("state = 'queued' AND encode_gib IS NULL"),
)
#: Those that wait for their text, in the order in which they are encoded.
Index(
    "ix_jobs_encode",
    jobs.c.text_revision,
    jobs.c.priority.desc(),
    jobs.c.id,
    sqlite_where=text("state = 'queued' AND encode_gib IS NOT NULL"),
    postgresql_where=text("state = 'queued' AND encode_gib IS NOT NULL"),
)
#: The state leads although it is always the same: SQLite, which has no statistics, would take
#: ix_jobs_state_id instead and walk the whole queue.
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

#: History's filters and orders, each with the id behind it so that pages come out of the index in
#: order. Partial where a waiting job has no value: then submitting costs nothing.
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
    Column("queue_s", Double),
    Column("load_s", Double),
    Column("encode_s", Double),
    Column("sample_s", Double),
    Column("decode_s", Double),
    Column("save_s", Double),
    Column("peak_memory_bytes", BigInteger),
    # What the motion is like (docs/measures.md): mm per 1/30 s, mm, m/s³. Null: not measured.
    Column("skate_mm", Double),
    Column("penetration_mm", Double),
    Column("jitter", Double),
    # What the motion was computed in, where the text encoder was kept meanwhile (`jobs.texts`),
    # whether the text was found or encoded (hit, made), how many models were loaded for it, and at
    # which step which faster number type failed.
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

#: What a distance to real motions needs to know of a job's motion, packed by the worker that made
#: it (docs/measures.md) and read by `history stats`. Apart from the jobs: 2.4 kB a motion that
#: nothing else reads.
motion_features = Table(
    "motion_features",
    metadata,
    Column(
        "job_id", ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    ),
    # Revision of the statistics of real motions in whose terms it is told.
    Column("reference", String(64), nullable=False),
    Column("windows", Integer, nullable=False),
    Column("blob", LargeBinary, nullable=False),
)
