"""Batches take turns: the order of claims has the batch before the id. Jobs can be deleted quickly.

Revision: 0007, after 0006.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_LANE = ("mode", "model", "class_gib", sa.text("priority DESC"))
_TURNS = ("batch_id", "id")
_AGES = ("id", "batch_id")
_SAMPLING = "state = 'queued' AND encode_gib IS NULL"
_ENCODING = "state = 'queued' AND encode_gib IS NOT NULL"
_TEXTS = ("text_revision", sa.text("priority DESC"))


def upgrade() -> None:
    """Build the indexes of claims anew, and one for the deletion of jobs."""
    _rebuild((*_LANE, *_TURNS), (*_TEXTS, *_TURNS), {"id": "NULLS FIRST"})
    where = sa.text("cached_from IS NOT NULL")
    op.create_index(
        "ix_jobs_cached_from", "jobs", ["cached_from"], sqlite_where=where, postgresql_where=where
    )


def downgrade() -> None:
    """Build the indexes of claims as they were."""
    op.drop_index("ix_jobs_cached_from", "jobs")
    _rebuild((*_LANE, *_AGES), (*_TEXTS, "id"), {})


def _rebuild(claim: tuple[object, ...], encode: tuple[object, ...], ops: dict[str, str]) -> None:
    for name, columns, where in (
        ("ix_jobs_claim", claim, f"{_SAMPLING} AND suspect = false"),
        ("ix_jobs_suspect", ("state", *claim), f"{_SAMPLING} AND suspect = true"),
        ("ix_jobs_encode", encode, _ENCODING),
    ):
        op.drop_index(name, "jobs")
        op.create_index(
            name,
            "jobs",
            list(columns),  # type: ignore[arg-type]  # names and expressions, as alembic takes them
            sqlite_where=sa.text(where),
            postgresql_where=sa.text(where),
            postgresql_ops=ops,
        )
