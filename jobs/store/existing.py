"""Existing jobs: which of the jobs to be submitted a batch already has."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ARRAY, BigInteger, Connection, Select, String, func, literal, select, tuple_

from jobs.domain.batches import Artifact
from jobs.domain.memory import queue_name
from jobs.domain.states import State
from jobs.store.base import Found
from jobs.store.motions import files_of
from jobs.store.tables import jobs

#: A job's identity within its batch: custom id and seed.
Key = tuple[str, int]


@dataclass(frozen=True)
class Known:
    """A job that a batch already has.

    Attributes:
        queue: name of the queue of its mode and class.
        row_hash: hash of the row that the job was submitted from.
        artifacts: its files if it succeeded.
    """

    id: int
    queue: str
    row_hash: str
    state: State
    artifacts: tuple[Artifact, ...]


def existing_jobs(
    connection: Connection, batch_id: int, keys: Sequence[Key]
) -> Mapping[Key, Known]:
    """See `BatchStore.existing`."""
    rows = _rows(connection, batch_id, keys)
    files = files_of(connection, [row.id for row in rows if row.state == State.SUCCEEDED])
    return {(row.custom_id, row.seed): _known(row, files.get(row.id, ())) for row in rows}


def row_hashes(connection: Connection, batch_id: int, keys: Sequence[Key]) -> dict[Key, str]:
    """The row hashes of the batch's jobs with these identities."""
    found = _rows(connection, batch_id, keys)
    return {(row.custom_id, row.seed): row.row_hash for row in found}


def _rows(connection: Connection, batch_id: int, keys: Sequence[Key]) -> Sequence[Found]:
    query = select(
        jobs.c.id, jobs.c.custom_id, jobs.c.seed, jobs.c.row_hash, jobs.c.state,
        jobs.c.mode, jobs.c.class_gib,
    ).where(
        jobs.c.batch_id == batch_id,
        tuple_(jobs.c.custom_id, jobs.c.seed).in_(_unnested(connection, keys)),
    )  # fmt: skip
    return connection.execute(query).all()


def _known(row: Found, artifacts: tuple[Artifact, ...]) -> Known:
    return Known(
        id=row.id,
        queue=queue_name(row.mode, row.class_gib),
        row_hash=row.row_hash,
        state=State(row.state),
        artifacts=artifacts,
    )


def _unnested(connection: Connection, keys: Sequence[Key]) -> Select[Any]:
    """The identities as rows of one parameter: see `jobs.store.base.among`."""
    if connection.dialect.name == "postgresql":
        return select(
            func.unnest(literal([name for name, _ in keys], ARRAY(String))),
            func.unnest(literal([seed for _, seed in keys], ARRAY(BigInteger))),
        )
    key = func.json_each(json.dumps(keys)).table_valued("value").c.value
    return select(func.json_extract(key, "$[0]"), func.json_extract(key, "$[1]"))
