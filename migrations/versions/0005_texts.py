"""Encoding as a separate step, how each attempt was run, and rewritten prompts.

Revision: 0005, after 0004.
"""

from __future__ import annotations

import re
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

#: Text without a length, since SQLAlchemy misreads a computed column before a type in brackets.
_JOBS: dict[str, sa.types.TypeEngine[Any]] = {
    "encode_gib": sa.Integer(),
    "text_revision": sa.Text(),
    "original_prompt": sa.Text(),
    "rewrite": sa.Text(),
}
_ATTEMPTS: dict[str, sa.types.TypeEngine[Any]] = {
    "dtype": sa.String(16),
    "plan": sa.String(16),
    "embedding": sa.String(8),
    "loads": sa.Integer(),
    "numerics_step": sa.Integer(),
    "numerics_dtype": sa.String(16),
}
_WORKERS = ("revisions", "encoders")
_OUTCOMES = ("running", "succeeded", "failed", "cancelled", "released")
_CLAIM = ("mode", "model", "class_gib", sa.text("priority DESC"), "id", "batch_id")
_QUEUED = "state = 'queued'"


def upgrade() -> None:
    """Add the columns, then the indexes: a worker that samples walks past no job that waits for
    its text."""
    for table, columns in (("jobs", _JOBS), ("attempts", _ATTEMPTS)):
        for name, kind in columns.items():
            op.add_column(table, sa.Column(name, kind))
    for name in _WORKERS:
        op.add_column("workers", sa.Column(name, sa.JSON()))
    _outcomes((*_OUTCOMES, "encoded"))
    op.drop_index("ix_jobs_claim", "jobs")
    _index("ix_jobs_claim", _CLAIM, f"{_QUEUED} AND encode_gib IS NULL")
    _index(
        "ix_jobs_encode",
        ("text_revision", sa.text("priority DESC"), "id"),
        f"{_QUEUED} AND encode_gib IS NOT NULL",
    )


def downgrade() -> None:
    """Drop the indexes, then the columns, and delete attempts that only encoded a text."""
    op.drop_index("ix_jobs_encode", "jobs")
    op.drop_index("ix_jobs_claim", "jobs")
    _index("ix_jobs_claim", _CLAIM, _QUEUED)
    op.execute("DELETE FROM attempts WHERE outcome = 'encoded'")
    _outcomes(_OUTCOMES)
    for name in _WORKERS:
        op.drop_column("workers", name)
    for table, columns in (("attempts", _ATTEMPTS), ("jobs", _JOBS)):
        for name in columns:
            op.drop_column(table, name)


def _index(name: str, columns: tuple[object, ...], where: str) -> None:
    op.create_index(
        name,
        "jobs",
        list(columns),  # type: ignore[arg-type]  # names and expressions, as alembic takes them
        sqlite_where=sa.text(where),
        postgresql_where=sa.text(where),
    )


def _outcomes(names: tuple[str, ...]) -> None:
    """Change the allowed outcomes of an attempt."""
    check = f"outcome IN ({', '.join(repr(name) for name in names)})"
    bind = op.get_bind()
    if bind.dialect.name != "sqlite":
        op.drop_constraint(op.f("ck_attempts_outcome"), "attempts", type_="check")
        op.create_check_constraint(op.f("ck_attempts_outcome"), "attempts", check)
        return
    # SQLite cannot change constraints, so the table is created again from its own SQL.
    query = "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = 'attempts'"
    words = str(bind.execute(sa.text(query)).scalar_one())
    columns = ", ".join(f'"{each["name"]}"' for each in sa.inspect(bind).get_columns("attempts"))
    op.rename_table("attempts", "attempts_before")
    op.execute(re.sub(r"outcome IN \([^)]*\)", check, words))
    op.execute(f"INSERT INTO attempts ({columns}) SELECT {columns} FROM attempts_before")  # noqa: S608 — its own names
    op.drop_table("attempts_before")
