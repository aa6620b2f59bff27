"""What a batch has already of the jobs that are about to be put into it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ARRAY, BigInteger, Connection, Select, String, func, literal, select, tuple_

from jobs.domain.batches import Artifact
from jobs.domain.memory import queue_name
from jobs.domain.states import State
from jobs.store.base import CHUNK, Facet, Found
from jobs.store.files import files_of
from jobs.tables import jobs

#: A job's identity within its batch: custom id and seed.
Key = tuple[str, int]


@dataclass(frozen=True)
class Known:
    """A job that a batch has.

    Attributes:
        queue: of its class.
        row_hash: of what its row asked for.
        artifacts: its files if it succeeded.
    """

    id: int
    queue: str
    row_hash: str
    state: State
    artifacts: tuple[Artifact, ...]


class KnownStore(Facet):
    """Looks jobs up by their identity."""

    def known(self, batch_id: int, keys: Sequence[Key]) -> Mapping[Key, Known]:
        """The jobs of these identities that the batch has, with the files of those that succeeded.

        Jobs that are put into it meanwhile may be missing.
        """
        found: dict[Key, Known] = {}
        with self.read() as connection:
            for start in range(0, len(keys), CHUNK):
                rows = self._rows(connection, batch_id, keys[start : start + CHUNK])
                done = [row.id for row in rows if row.state == State.SUCCEEDED]
                files = files_of(connection, done)
                found |= {
                    (row.custom_id, row.seed): _known(row, files.get(row.id, ())) for row in rows
                }
        return found

    def _there(self, connection: Connection, batch_id: int, keys: Sequence[Key]) -> dict[Key, str]:
        """Row hashes of those identities that the batch has already."""
        there: dict[Key, str] = {}
        for start in range(0, len(keys), CHUNK):
            rows = self._rows(connection, batch_id, keys[start : start + CHUNK])
            there |= {(row.custom_id, row.seed): row.row_hash for row in rows}
        return there

    def _rows(self, connection: Connection, batch_id: int, keys: Sequence[Key]) -> Sequence[Found]:
        query = select(
            jobs.c.id, jobs.c.custom_id, jobs.c.seed, jobs.c.row_hash, jobs.c.state,
            jobs.c.mode, jobs.c.class_gib,
        ).where(
            jobs.c.batch_id == batch_id,
            tuple_(jobs.c.custom_id, jobs.c.seed).in_(
                _unnested(keys) if self._is_postgresql else keys
            ),
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


def _unnested(keys: Sequence[Key]) -> Select[Any]:
    return select(
        func.unnest(literal([name for name, _ in keys], ARRAY(String))),
        func.unnest(literal([seed for _, seed in keys], ARRAY(BigInteger))),
    )
