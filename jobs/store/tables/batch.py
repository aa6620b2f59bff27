"""The batches."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Double, String, Table, Text, text

from jobs.store.tables.columns import Key, metadata

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
