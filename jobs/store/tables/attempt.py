"""What jobs leave: attempts, files, and features of motions."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from jobs.store.tables.columns import Key, measured, metadata

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
    # When the forward passes of its pack began. Null: they have not, or the attempt is an old one.
    Column("sampling_at", Double),
    Column("finished_at", Double),
    *measured(),
    # How the attempt was run: see `jobs.domain.attempts.Run`.
    Column("dtype", String(16)),
    Column("plan", String(16)),
    Column("embedding", String(8)),
    Column("loads", Integer),
    Column("numerics_step", Integer),
    Column("numerics_dtype", String(16)),
    Column("path", String(16)),
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
