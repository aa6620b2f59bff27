"""Quality measures of a job's motion: skate, penetration, jitter, each with an index.

Revision: 0003, after 0002.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_QUALITY = ("skate_mm", "penetration_mm", "jitter")


def upgrade() -> None:
    """Add the columns, which are null for existing jobs, then the indexes."""
    for table in ("jobs", "attempts"):
        for column in _QUALITY:
            op.add_column(table, sa.Column(column, sa.Double(), nullable=True))
    for column in _QUALITY:
        there = sa.text(f"{column} IS NOT NULL")
        op.create_index(
            f"ix_jobs_{column}_id",
            "jobs",
            [column, "id"],
            sqlite_where=there,
            postgresql_where=there,
        )


def downgrade() -> None:
    """Drop the indexes, then the columns."""
    for column in _QUALITY:
        op.drop_index(f"ix_jobs_{column}_id", "jobs")
    for table in ("jobs", "attempts"):
        for column in _QUALITY:
            op.drop_column(table, column)
