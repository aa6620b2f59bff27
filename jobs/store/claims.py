"""Claiming: a worker takes a pack of jobs it can run, each under a lease, all at once or none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, case, insert, literal, select, update

from jobs.errors import NotFoundError
from jobs.memory import GIB
from jobs.records import Claim
from jobs.routing import Demand, Offer
from jobs.states import Outcome, State, sources
from jobs.store.base import Facet
from jobs.store.lanes import ORDER, classes, heads, ready, suits
from jobs.tables import attempts, batches, jobs, workers

#: Candidates looked at for each job wanted. Where workers claim at the same moment, those that
#: another one is just taking are passed over (PostgreSQL's SKIP LOCKED) and the next ones taken.
_WIDTH = 4
#: With still more workers at once every candidate may be taken; then look again, further.
_ROUNDS = 4

_TIMINGS = ("load_s", "encode_s", "sample_s", "decode_s", "save_s", "peak_memory_bytes")


class ClaimStore(Facet):
    """Taking queued jobs."""

    def claim(
        self,
        worker_id: int,
        offer: Offer,
        *,
        job_id: int | None = None,
        limit: Callable[[Demand], int] | int = 1,
        lease: float,
    ) -> list[Claim]:
        """Take a pack: a head and further jobs of the same model, mode, steps and revision.

        The head is `job_id`, or without one the best job that this offer can take: by priority,
        then class (biggest first), then id. The others come in the same order and are of the
        head's class or smaller.

        Args:
            worker_id: who claims, from `WorkerStore.register`.
            offer: what it can do.
            job_id: the job that a message named; nothing is claimed if it cannot be taken (any
                more): whoever has it finishes it.
            limit: the most jobs in the pack, or a function of the head's demand.
            lease: seconds until the claim lapses unless renewed.

        Returns:
            The claims, head first; empty when there is nothing to do.

        Raises:
            NotFoundError: no such worker.
        """
        with self.write() as connection:
            worker = _worker(connection, worker_id)
            now = self.present(connection)
            for turn in range(_ROUNDS):
                head = _head(connection, offer, now, job_id)
                if head is None:
                    return []
                most = limit if isinstance(limit, int) else limit(_demand(head))
                width = 1 if self._serial else most * _WIDTH ** (turn + 1)
                pack = _pack(connection, offer, now, head, most=max(1, most), width=width)
                if pack or job_id is not None:
                    break
            return _take(connection, worker, pack, now=now, lease=lease)

    @property
    def _serial(self) -> bool:
        """Whether writers exclude each other (SQLite)."""
        return self._engine.dialect.name == "sqlite"


def _worker(connection: Connection, worker_id: int) -> Row[*tuple[Any, ...]]:
    query = select(workers.c.id, workers.c.name, workers.c.card).where(workers.c.id == worker_id)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise NotFoundError("worker", str(worker_id), "register it before it claims")
    return row


def _head(
    connection: Connection, offer: Offer, now: float, job_id: int | None
) -> Row[*tuple[Any, ...]] | None:
    """The job that decides what the pack is made of. One named by a message is locked here."""
    query = select(
        jobs.c.id, jobs.c.model, jobs.c.mode, jobs.c.steps, jobs.c.revision, jobs.c.class_gib,
        jobs.c.frames,
    )  # fmt: skip
    if job_id is not None:
        named = query.where(jobs.c.id == job_id, suits(offer), *ready(now))
        return connection.execute(named.with_for_update(skip_locked=True)).one_or_none()
    lanes = [
        (model, mode, gib)
        for model in offer.models
        for mode in offer.modes
        for gib in connection.scalars(classes(model, mode, offer.memory_bytes // GIB))
    ]
    if not lanes:
        return None
    best = heads(lanes, 1, offer, *ready(now)).scalar_subquery()
    return connection.execute(query.where(jobs.c.id == best)).one_or_none()


def _demand(head: Row[*tuple[Any, ...]]) -> Demand:
    return Demand(model=head.model, mode=head.mode, gib=head.class_gib, frames=head.frames)


def _pack(
    connection: Connection,
    offer: Offer,
    now: float,
    head: Row[*tuple[Any, ...]],
    *,
    most: int,
    width: int,
) -> Sequence[Row[*tuple[Any, ...]]]:
    """The jobs to take, locked: the head if it is still there, and its company."""
    if most == 1 and width == 1:
        among: Any = literal(head.id)
        candidates = jobs.c.id == among
    else:
        found = connection.scalars(classes(head.model, head.mode, head.class_gib))
        lanes = [(head.model, head.mode, gib) for gib in found]
        alike = (jobs.c.steps == head.steps, jobs.c.revision == head.revision)
        among = heads(lanes, max(most, width), offer, *alike, *ready(now))
        candidates = jobs.c.id.in_(among) | (jobs.c.id == head.id)
    query = (
        select(
            jobs.c.id, jobs.c.custom_id, jobs.c.prompt, jobs.c.frames, jobs.c.seed, jobs.c.mode,
            jobs.c.steps, jobs.c.guidance, jobs.c.formats, jobs.c.model, jobs.c.revision,
            jobs.c.class_gib, batches.c.name.label("batch"), batches.c.output,
        )
        .join(batches, batches.c.id == jobs.c.batch_id)
        .where(candidates, *ready(now))
        .order_by(case((jobs.c.id == head.id, 0), else_=1), *ORDER)
        .limit(most)
        .with_for_update(skip_locked=True, of=jobs)
    )  # fmt: skip
    return connection.execute(query).all()


def _take(
    connection: Connection,
    worker: Row[*tuple[Any, ...]],
    pack: Sequence[Row[*tuple[Any, ...]]],
    *,
    now: float,
    lease: float,
) -> list[Claim]:
    if not pack:
        return []
    ids = [row.id for row in pack]
    since = case((jobs.c.not_before > jobs.c.queued_at, jobs.c.not_before), else_=jobs.c.queued_at)
    taken = connection.execute(
        update(jobs)
        .where(jobs.c.id.in_(ids), jobs.c.state.in_(sources(State.RUNNING)))
        .values(
            state=State.RUNNING,
            attempt=jobs.c.attempt + 1,
            worker_id=worker.id,
            worker_name=worker.name,
            card=worker.card,
            lease_until=now + lease,
            started_at=now,
            failure=None,
            error=None,
            queue_s=case((since < now, now - since), else_=0.0),
            **dict.fromkeys(_TIMINGS),
        )
        .returning(jobs.c.id, jobs.c.attempt, jobs.c.queue_s)
    )
    held = {row.id: row for row in taken}
    _begin_attempts(connection, list(held))
    return [_claim(row, worker.id, held) for row in pack if row.id in held]


def _begin_attempts(connection: Connection, ids: Sequence[int]) -> None:
    begun = select(
        jobs.c.id, jobs.c.attempt, jobs.c.worker_id, jobs.c.worker_name, jobs.c.card, jobs.c.mode,
        literal(len(ids)), literal(Outcome.RUNNING.value), jobs.c.started_at, jobs.c.queue_s,
    ).where(jobs.c.id.in_(ids))  # fmt: skip
    columns = (
        "job_id", "number", "worker_id", "worker_name", "card", "mode", "pack_size", "outcome",
        "started_at", "queue_s",
    )  # fmt: skip
    connection.execute(insert(attempts).from_select(columns, begun))


def _claim(
    row: Row[*tuple[Any, ...]], worker_id: int, held: Mapping[int, Row[*tuple[Any, ...]]]
) -> Claim:
    return Claim(
        job_id=row.id,
        attempt=held[row.id].attempt,
        worker_id=worker_id,
        batch=row.batch,
        output=row.output,
        custom_id=row.custom_id,
        prompt=row.prompt,
        frames=row.frames,
        seed=row.seed,
        mode=row.mode,
        steps=row.steps,
        guidance=row.guidance,
        formats=tuple(row.formats),
        model=row.model,
        revision=row.revision,
        gib=row.class_gib,
        queue_s=held[row.id].queue_s,
    )
