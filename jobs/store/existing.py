"""Existing jobs: which of the jobs to be submitted a batch already has."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Connection,
    Select,
    String,
    Subquery,
    and_,
    func,
    literal,
    select,
    tuple_,
)

from jobs.domain.batches import Artifact
from jobs.domain.memory import queue_name
from jobs.domain.names import fold
from jobs.domain.spec import JobSpec
from jobs.domain.states import State
from jobs.store.base import Found, among
from jobs.store.motions import files_of
from jobs.store.tables import jobs

#: A job's identity within its batch: custom id and seed.
Key = tuple[str, int]
#: Jobs of one custom id: the id, the first and the last seed.
Span = tuple[str, int, int]


@dataclass(frozen=True)
class Known:
    """A job that a batch already has.

    Attributes:
        queue: name of the queue of its mode and class.
        row_hash: hash of the row that the job was submitted from.
        row_priority: the priority in that hash.
        attempts: number of its last attempt.
        artifacts: its files if it succeeded.
    """

    id: int
    queue: str
    row_hash: str
    row_priority: int
    state: State
    attempts: int
    artifacts: tuple[Artifact, ...] = ()

    @property
    def untried(self) -> bool:
        """Whether no worker has claimed it yet."""
        return self.state == State.QUEUED and not self.attempts

    def differs(self, spec: JobSpec) -> bool:
        """Whether the row of `spec` asks for something else than the job's row."""
        return spec.row_hash() != self.row_hash

    def differs_in_priority(self, spec: JobSpec) -> bool:
        """Whether the two rows differ in nothing but the priority."""
        if self.row_priority == spec.priority:
            return False
        return not self.differs(replace(spec, priority=self.row_priority))


def existing_jobs(
    connection: Connection, batch_id: int, keys: Sequence[Key], *, files: bool = True
) -> dict[Key, Known]:
    """See `BatchStore.existing`; without `files`, no job has artifacts."""
    query = select(
        jobs.c.id, jobs.c.custom_id, jobs.c.seed, jobs.c.row_hash, jobs.c.state, jobs.c.attempt,
        jobs.c.mode, jobs.c.class_gib,
        func.coalesce(jobs.c.row_priority, jobs.c.priority).label("asked"),
    ).where(
        jobs.c.batch_id == batch_id,
        tuple_(jobs.c.custom_id, jobs.c.seed).in_(_unnested(connection, keys)),
    )  # fmt: skip
    rows = connection.execute(query).all()
    done = [row.id for row in rows if files and row.state == State.SUCCEEDED]
    found = files_of(connection, done) if done else {}
    return {(row.custom_id, row.seed): _known(row, found.get(row.id, ())) for row in rows}


def existing_count(connection: Connection, batch_id: int, spans: Sequence[Span]) -> int:
    """See `BatchStore.count_existing`."""
    span = _spans(connection, spans)
    query = (
        select(func.count())
        .select_from(span)
        .join(jobs, and_(jobs.c.custom_id == span.c.id, jobs.c.seed.between(span.c.a, span.c.z)))
        .where(jobs.c.batch_id == batch_id)
    )
    return int(connection.execute(query).scalar_one())


def other_spellings(
    connection: Connection, batch_id: int, ids: Collection[str]
) -> Mapping[str, str]:
    """Ids that are new to the batch and fold to an id that it has → the spelling that it has.

    Of two new ids that fold to the same, the second is another spelling of the first.
    """
    folded = {each: fold(each) for each in ids}
    known: dict[str, list[str]] = {}
    query = (
        select(jobs.c.folded_id, jobs.c.custom_id)
        .where(
            jobs.c.batch_id == batch_id,
            among(connection, jobs.c.folded_id, list(set(folded.values()))),
        )
        .distinct()
    )
    for row in connection.execute(query):
        known.setdefault(row.folded_id, []).append(row.custom_id)
    found = {}
    for each, key in folded.items():
        spellings = known.setdefault(key, [each])
        if each not in spellings:
            found[each] = spellings[0]
    return found


def _known(row: Found, artifacts: tuple[Artifact, ...]) -> Known:
    return Known(
        id=row.id,
        queue=queue_name(row.mode, row.class_gib),
        row_hash=row.row_hash,
        row_priority=row.asked,
        state=State(row.state),
        attempts=row.attempt,
        artifacts=artifacts,
    )


def _spans(connection: Connection, spans: Sequence[Span]) -> Subquery:
    """The spans as rows `id`, `a`, `z` of one parameter: see `jobs.store.base.among`."""
    columns = {"id": String, "a": BigInteger, "z": BigInteger}
    if connection.dialect.name == "postgresql":
        values = zip(*spans, strict=True)
        return select(
            *(
                func.unnest(literal(list(each), ARRAY(kind))).label(name)
                for each, (name, kind) in zip(values, columns.items(), strict=True)
            )
        ).subquery()
    each = func.json_each(json.dumps(spans)).table_valued("value").c.value
    return select(
        *(func.json_extract(each, f"$[{i}]").label(name) for i, name in enumerate(columns))
    ).subquery()


def _unnested(connection: Connection, keys: Sequence[Key]) -> Select[Any]:
    """The identities as rows of one parameter: see `jobs.store.base.among`."""
    if connection.dialect.name == "postgresql":
        return select(
            func.unnest(literal([name for name, _ in keys], ARRAY(String))),
            func.unnest(literal([seed for _, seed in keys], ARRAY(BigInteger))),
        )
    key = func.json_each(json.dumps(keys)).table_valued("value").c.value
    return select(func.json_extract(key, "$[0]"), func.json_extract(key, "$[1]"))
