"""Attempts say when their sampling began, and how the network was run.

Revision: 0008, after 0007.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns. Of what runs nobody knows better than that its sampling began."""
    op.add_column("attempts", sa.Column("sampling_at", sa.Double()))
    op.add_column("attempts", sa.Column("path", sa.String(16)))
    # By the running jobs, of which there is an index; of running attempts there is none.
    op.execute(
        "UPDATE attempts SET sampling_at = started_at WHERE outcome = 'running'"
        " AND job_id IN (SELECT id FROM jobs WHERE state = 'running')"
    )


def downgrade() -> None:
    """Drop the columns."""
    op.drop_column("attempts", "path")
    op.drop_column("attempts", "sampling_at")
