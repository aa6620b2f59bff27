"""The rows of new jobs, and of queued jobs that are asked for anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import (
    JSON,
    Connection,
    bindparam,
    column,
    func,
    insert,
    literal_column,
    select,
    update,
)

from jobs.domain.attempts import MotionQuality
from jobs.domain.batches import NewJob
from jobs.domain.names import fold
from jobs.domain.spec import JobSpec
from jobs.domain.states import State
from jobs.store.base import among, columns
from jobs.store.existing import Key, Known
from jobs.store.motions import shared_quality
from jobs.store.tables import jobs

#: Columns that a replaced row keeps.
_KEPT = ("batch_id", "custom_id", "folded_id", "seed", "created_at", "queued_at")


@dataclass(frozen=True)
class Changes:
    """What became of jobs that were asked for again.

    Attributes:
        changed: (custom id, seed) of jobs whose rows ask for something else now; unchanged.
        updated: ids of the jobs whose rows were replaced.
        reprioritised: number of jobs that got another priority.
    """

    changed: tuple[Key, ...]
    updated: dict[Key, int]
    reprioritised: int


@dataclass(frozen=True)
class BatchRows:
    """Writes the jobs of a batch.

    Attributes:
        batch_id: the batch.
        attempt_limit: maximum number of attempts of each job.
        now: the present, by the database's clock.
    """

    batch_id: int
    attempt_limit: int
    now: float

    def add(self, connection: Connection, new: Sequence[NewJob]) -> dict[Key, int]:
        """Insert jobs that the batch does not have; returns their ids."""
        rows: Any = self._of(connection, new)
        if not rows:
            return {}
        statement: Any = insert(jobs)
        if connection.dialect.name == "postgresql":
            statement = statement.from_select(*_from_json([*rows[0]]))
            rows = {"rows": rows}
        added = statement.returning(jobs.c.id, jobs.c.custom_id, jobs.c.seed)
        return {(row.custom_id, row.seed): row.id for row in connection.execute(added, rows)}

    def change(
        self,
        connection: Connection,
        there: Mapping[Key, Known],
        wanted: Mapping[Key, NewJob],
        *,
        replace: bool,
    ) -> Changes:
        """Give queued jobs the priority of their new rows, if these differ in nothing else.

        Args:
            there: jobs that the batch has.
            wanted: what is asked for now.
            replace: replace the rows of the other jobs that no worker has claimed yet.
        """
        differing = {key: job for key, job in there.items() if job.differs(wanted[key].spec)}
        alike = {k: j for k, j in differing.items() if j.differs_in_priority(wanted[k].spec)}
        attempts = _queued(connection, differing if replace else alike)
        reprioritised = {
            job.id: wanted[key].spec for key, job in alike.items() if job.id in attempts
        }
        others = {key: job for key, job in differing.items() if key not in alike}
        updated = {
            key: job.id for key, job in others.items() if replace and attempts.get(job.id) == 0
        }
        _set_priorities(connection, reprioritised)
        self._replace(connection, {number: wanted[key] for key, number in updated.items()})
        return Changes(
            changed=tuple(key for key in others if key not in updated),
            updated=updated,
            reprioritised=len(reprioritised),
        )

    def _replace(self, connection: Connection, new: Mapping[int, NewJob]) -> None:
        rows = self._of(connection, list(new.values()))
        changed = [
            {name: value for name, value in row.items() if name not in _KEPT} | {"own": number}
            for number, row in zip(new, rows, strict=True)
        ]
        if changed:
            # The message of a job of another class goes to another queue.
            anew = dict.fromkeys(("published_at", "encode_gib", "text_revision", "row_priority"))
            connection.execute(_one_each().values(anew), changed)

    def _of(self, connection: Connection, new: Sequence[NewJob]) -> list[dict[str, Any]]:
        shared = shared_quality(connection, new)
        return [
            _row(
                self.batch_id, job, shared[job.cached_from],
                attempt_limit=self.attempt_limit, now=self.now,
            )
            for job in new
        ]  # fmt: skip


def with_sources(connection: Connection, new: Sequence[NewJob]) -> Sequence[NewJob]:
    """The jobs; those whose earlier job `hymo prune` removed meanwhile are to be sampled."""
    earlier = sorted({job.cached_from for job in new if job.cached_from is not None})
    if not earlier:
        return new
    kept = (
        select(jobs.c.id)
        .where(among(connection, jobs.c.id, earlier))
        .order_by(jobs.c.id)
        .with_for_update(read=True, key_share=True)
    )
    there = {None, *connection.scalars(kept)}
    return [
        job if job.cached_from in there else replace(job, cached_from=None, artifacts=())
        for job in new
    ]


def _queued(connection: Connection, known: Mapping[Key, Known]) -> dict[int, int]:
    """Id → number of attempts of those of these jobs that are queued still; they are locked."""
    if not known:
        return {}
    # Every transaction locks jobs in the order of their ids, which avoids deadlocks.
    query = (
        select(jobs.c.id, jobs.c.attempt)
        .where(among(connection, jobs.c.id, [job.id for job in known.values()]))
        .where(jobs.c.state == State.QUEUED)
        .order_by(jobs.c.id)
        .with_for_update()
    )
    return {row.id: row.attempt for row in connection.execute(query)}


def _set_priorities(connection: Connection, wanted: Mapping[int, JobSpec]) -> None:
    rows = [
        {"own": number, "priority": spec.priority, "row_hash": spec.row_hash()}
        for number, spec in wanted.items()
    ]
    if rows:
        connection.execute(_one_each().values(row_priority=None), rows)


def _one_each() -> Any:
    """An update of the job `own` of each row of parameters, which name the columns to change."""
    return update(jobs).where(jobs.c.id == bindparam("own"))


def _row(
    batch_id: int, job: NewJob, quality: MotionQuality, *, attempt_limit: int, now: float
) -> dict[str, Any]:
    spec = job.spec
    cached = job.cached_from is not None
    zero = 0.0 if cached else None
    return {
        "batch_id": batch_id,
        "custom_id": spec.custom_id,
        "folded_id": fold(spec.custom_id),
        "seed": spec.seed,
        "prompt": spec.prompt,
        "original_prompt": spec.original_prompt,
        "rewrite": spec.rewrite,
        "frames": spec.frames,
        "requested_mode": spec.mode,
        "mode": job.mode,
        "steps": spec.steps,
        "guidance": spec.guidance,
        "priority": spec.priority,
        "formats": list(spec.formats),
        "model": spec.model,
        "revision": job.revision,
        "metadata": dict(spec.metadata),
        "row_hash": spec.row_hash(),
        "content_hash": spec.content_hash(job.mode, job.revision),
        "class_gib": job.gib,
        "state": State.SUCCEEDED if cached else State.QUEUED,
        "attempt_limit": attempt_limit,
        "created_at": now,
        "queued_at": now,
        "finished_at": now if cached else None,
        "cached_from": job.cached_from,
        **dict.fromkeys(("queue_s", "load_s", "encode_s", "sample_s", "decode_s", "save_s"), zero),
        **columns(quality),
    }


def _from_json(names: list[str]) -> tuple[list[str], Any]:
    """Columns and rows of an insert whose rows are passed as one JSON value, the parameter `rows`.

    PostgreSQL's driver takes ten times longer for 25 000 placeholders (a thousand rows).
    """
    rows = func.json_populate_recordset(
        literal_column("NULL::jobs"), bindparam("rows", type_=JSON)
    ).table_valued(*(column(name) for name in names))
    return names, select(*rows.c)
