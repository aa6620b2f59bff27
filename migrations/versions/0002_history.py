"""Indexes for every filter and order of history, and a job's duration as a column.

Revision: 0002, after 0001.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_DURATION = "finished_at - started_at"
_WHOLE = ("batch_id", "priority")
_PARTIAL = (
    "card",
    "worker_name",
    "failure",
    "finished_at",
    "duration_s",
    "queue_s",
    "peak_memory_bytes",
)


def upgrade() -> None:
    """Add the column, then the indexes."""
    if op.get_bind().dialect.name == "sqlite":
        # SQLite adds only virtual columns to a table that has rows; indexed, they cost the same.
        op.execute(
            "ALTER TABLE jobs ADD COLUMN duration_s DOUBLE"
            f" GENERATED ALWAYS AS ({_DURATION}) VIRTUAL"
        )
    else:
        op.add_column(
            "jobs", sa.Column("duration_s", sa.Double(), sa.Computed(_DURATION, persisted=True))
        )
    for column in _WHOLE:
        op.create_index(f"ix_jobs_{column}_id", "jobs", [column, "id"])
    for column in _PARTIAL:
        there = sa.text(f"{column} IS NOT NULL")
        op.create_index(
            f"ix_jobs_{column}_id",
            "jobs",
            [column, "id"],
            sqlite_where=there,
            postgresql_where=there,
        )


def downgrade() -> None:
    """Drop the indexes, then the column."""
    for column in (*_PARTIAL, *_WHOLE):
        op.drop_index(f"ix_jobs_{column}_id", "jobs")
    op.execute("ALTER TABLE jobs DROP COLUMN duration_s")
