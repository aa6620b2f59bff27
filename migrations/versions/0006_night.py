"""Faults of machines kept apart from faults of jobs: pauses, suspicion, marks, duties.

Revision: 0006, after 0005.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

#: Text without a length, since SQLAlchemy misreads a computed column before a type in brackets.
_JOBS: tuple[tuple[str, sa.types.TypeEngine[Any], str | None], ...] = (
    ("folded_id", sa.Text(), None),
    ("row_priority", sa.Integer(), None),
    ("suspect", sa.Boolean(), "false"),
    ("leased_at", sa.Double(), None),
    ("returns", sa.Integer(), "0"),
    ("avoid", sa.Text(), None),
    ("avoid_until", sa.Double(), None),
)
_BATCHES = ("folded_name", "token")
_CLAIM = ("mode", "model", "class_gib", sa.text("priority DESC"), "id", "batch_id")
_SAMPLING = "state = 'queued' AND encode_gib IS NULL"


def upgrade() -> None:
    """Add the columns, then the indexes."""
    for name, kind, default in _JOBS:
        given = None if default is None else sa.text(default)
        op.add_column("jobs", sa.Column(name, kind, nullable=default is None, server_default=given))
    for name in _BATCHES:
        op.add_column("batches", sa.Column(name, sa.Text()))
    op.add_column("workers", sa.Column("uuid", sa.String(100)))
    op.add_column("workers", sa.Column("pauses", sa.JSON()))
    op.create_table(
        "duties",
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("holder", sa.String(200), nullable=False),
        sa.Column("held_at", sa.Double(), nullable=False),
        sa.Column("until", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_duties")),
    )
    # Names and ids of before are ASCII, whose lower case every database knows.
    op.execute("UPDATE jobs SET folded_id = lower(custom_id)")
    op.execute("UPDATE batches SET folded_name = lower(name)")
    # What failed as `lost` or `timeout` and waits for its next attempt is a suspect.
    op.execute(
        "UPDATE jobs SET suspect = true WHERE state = 'queued' AND failure IN ('lost', 'timeout')"
    )
    op.drop_index("ix_jobs_claim", "jobs")
    _index("ix_jobs_claim", _CLAIM, f"{_SAMPLING} AND suspect = false")
    _index("ix_jobs_suspect", ("state", *_CLAIM), f"{_SAMPLING} AND suspect = true")
    op.create_index("ix_jobs_batch_id_folded_id", "jobs", ["batch_id", "folded_id"])
    op.create_index("ix_batches_folded_name", "batches", ["folded_name"])


def downgrade() -> None:
    """Drop the indexes, then the columns and the table."""
    op.drop_index("ix_batches_folded_name", "batches")
    op.drop_index("ix_jobs_batch_id_folded_id", "jobs")
    op.drop_index("ix_jobs_suspect", "jobs")
    op.drop_index("ix_jobs_claim", "jobs")
    _index("ix_jobs_claim", _CLAIM, _SAMPLING)
    op.drop_table("duties")
    for name in ("pauses", "uuid"):
        op.drop_column("workers", name)
    for name in _BATCHES:
        op.drop_column("batches", name)
    for name, _, _ in _JOBS:
        op.drop_column("jobs", name)


def _index(name: str, columns: tuple[object, ...], where: str) -> None:
    op.create_index(
        name,
        "jobs",
        list(columns),  # type: ignore[arg-type]  # names and expressions, as alembic takes them
        sqlite_where=sa.text(where),
        postgresql_where=sa.text(where),
    )
