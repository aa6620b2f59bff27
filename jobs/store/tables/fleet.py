"""The workers, and the duties that one process of a fleet has."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    Index,
    Integer,
    String,
    Table,
    text,
)

from jobs.store.tables.columns import Key, metadata

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
