"""Workers: their registrations, their offers, and when each was last seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import func, literal_column, or_, select, update

from jobs.domain.pauses import Pause
from jobs.domain.routing import Offer
from jobs.domain.workers import WorkerCard, WorkerRow
from jobs.errors import NotFoundError
from jobs.store.base import Found, StorePart, record
from jobs.store.offers import DECLARED, DRAINING, LIVE, STOPPED, to_offer
from jobs.store.queue.conditions import RUNNING
from jobs.store.tables import jobs, workers


class WorkerStore(StorePart):
    """Registrations of workers. Each process has a row: a restarted worker registers again."""

    def register(self, card: WorkerCard) -> int:
        """Register a live worker and return the id under which it claims."""
        with self.write() as connection:
            now = self.present(connection)
            values = _values(card) | {"state": LIVE, "started_at": now, "seen_at": now}
            statement = workers.insert().values(**values).returning(workers.c.id)
            return int(connection.execute(statement).scalar_one())

    def heartbeat(self, worker_id: int, *, state: str = LIVE) -> bool:
        """Record that the worker is alive, and its state (`LIVE` or `DRAINING`).

        Returns:
            False if the worker is not registered or was stopped; nothing is written in this case.
        """
        with self.write() as connection:
            seen = connection.execute(
                update(workers)
                .where(workers.c.id == worker_id, workers.c.state.in_((LIVE, DRAINING)))
                .values(state=state, seen_at=self.present(connection))
            )
            return seen.rowcount == 1

    def note(self, worker_id: int, *, tags: Mapping[str, str], dtype: str | None = None) -> None:
        """Add tags to a worker's registration, and record its new number type if it has one."""
        with self.write() as connection:
            row = select(workers.c.tags).where(workers.c.id == worker_id).with_for_update()
            before = connection.execute(row).scalar_one_or_none()
            if before is None:
                raise NotFoundError("worker", str(worker_id), "register it first")
            connection.execute(
                update(workers)
                .where(workers.c.id == worker_id)
                .values(tags={**before, **tags}, **({} if dtype is None else {"dtype": dtype}))
            )

    def set_pauses(self, worker_id: int, pauses: Sequence[Pause]) -> None:
        """Record what a worker does not take for now."""
        with self.write() as connection:
            connection.execute(
                update(workers)
                .where(workers.c.id == worker_id)
                .values(pauses=[each.as_json() for each in pauses])
            )

    def stop(self, worker_id: int) -> None:
        """Record that the worker stopped."""
        with self.write() as connection:
            now = self.present(connection)
            connection.execute(
                update(workers)
                .where(workers.c.id == worker_id, workers.c.state != STOPPED)
                .values(state=STOPPED, seen_at=now, stopped_at=now)
            )

    def of_process(self, host: str, pid: int, *, age: float) -> list[int]:
        """Ids under which a process registered.

        Args:
            host, pid: host name and process id.
            age: seconds since the process was started. Older registrations with the same pid belong
                to other processes.
        """
        with self.read() as connection:
            since = self.present(connection) - age
            query = select(workers.c.id).where(
                workers.c.host == host, workers.c.pid == pid, workers.c.started_at >= since
            )
            return list(connection.scalars(query.order_by(workers.c.id)))

    def declare(self, card: WorkerCard) -> int:
        """Declare a worker that is not running yet; declaring the name again replaces the card."""
        with self.write() as connection:
            now = self.present(connection)
            values = _values(card) | {"state": DECLARED, "started_at": now, "seen_at": now}
            statement: Any = self._upsert(workers).values(**values)
            statement = statement.on_conflict_do_update(
                index_elements=["name"],
                index_where=workers.c.state == literal_column(f"'{DECLARED}'"),
                set_=values,
            ).returning(workers.c.id)
            return int(connection.execute(statement).scalar_one())

    def undeclare(self, name: str) -> None:
        """Remove a declaration; raises `NotFoundError`, which lists the declared names."""
        with self.write() as connection:
            now = self.present(connection)
            gone = connection.execute(
                update(workers)
                .where(workers.c.name == name, workers.c.state == DECLARED)
                .values(state=STOPPED, stopped_at=now)
            )
            if gone.rowcount == 0:
                names = connection.scalars(
                    select(workers.c.name).where(workers.c.state == DECLARED).order_by("name")
                ).all()
                mend = (
                    f"the declared workers are {', '.join(names)}" if names else "none is declared"
                )
                raise NotFoundError("declared worker", name, mend)

    def rows(self, *, alive: float, all: bool = False) -> list[WorkerRow]:  # noqa: A002
        """Workers sorted by name.

        Args:
            alive: a worker not seen for this many seconds does not count as live.
            all: include workers that stopped or do not count as live.
        """
        running = (
            select(func.count())
            .select_from(jobs)
            .where(RUNNING, jobs.c.worker_id == workers.c.id)
            .scalar_subquery()
        )
        with self.read() as connection:
            since = self.present(connection) - alive
            query = select(workers, running.label("running")).order_by(workers.c.name, workers.c.id)
            if not all:
                query = query.where(or_(workers.c.state == DECLARED, _seen(since)))
            return [_worker_row(row, since) for row in connection.execute(query)]

    def offers(self, *, alive: float) -> list[Offer]:
        """The offers of live and declared workers.

        Draining workers are excluded, because they claim no more jobs.

        Args:
            alive: a worker not seen for this many seconds does not count as live.
        """
        with self.read() as connection:
            since = self.present(connection) - alive
            query = (
                select(workers)
                .where(workers.c.state.in_((LIVE, DECLARED)))
                .where(or_(workers.c.state == DECLARED, _seen(since)))
                .order_by(workers.c.id)
            )
            return [to_offer(row) for row in connection.execute(query)]


def _seen(since: float) -> Any:
    return workers.c.state.in_((LIVE, DRAINING)) & (workers.c.seen_at >= since)


def _values(card: WorkerCard) -> dict[str, Any]:
    return {
        "name": card.offer.name,
        "host": card.host,
        "pid": card.pid,
        "device": card.device,
        "card": card.card,
        "modes": list(card.offer.modes),
        "models": list(card.offer.models),
        "memory_bytes": card.offer.memory_bytes,
        "max_frames": dict(card.offer.max_frames),
        "revisions": {name: dict(each) for name, each in card.offer.revisions.items()},
        "encoders": dict(card.offer.encoders),
        "dtype": card.dtype,
        "nvlink": card.nvlink,
        "queues": list(card.queues),
        "uuid": card.uuid,
        "tags": dict(card.tags),
    }


def _worker_row(row: Found, since: float) -> WorkerRow:
    return record(
        WorkerRow,
        row,
        alive=row.state in {LIVE, DRAINING} and row.seen_at >= since,
        registration=record(WorkerCard, row, offer=to_offer(row), queues=tuple(row.queues)),
    )
