"""Leases: workers renew them; the reconciler ends those that expired."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, func, select, tuple_, update

from jobs.domain.attempts import Claim, Expired, Renewal
from jobs.domain.backoff import at_once
from jobs.domain.states import Failure
from jobs.store.base import AHEAD, CHUNK, Found, StorePart
from jobs.store.offers import DRAINING, LIVE
from jobs.store.queue.avoidance import avoiding
from jobs.store.queue.conditions import RUNNING
from jobs.store.queue.endings import (
    HELD,
    HOLDS,
    Ending,
    failed,
    fenced,
    fences,
    released,
    write_endings,
)
from jobs.store.tables import attempts, jobs, workers

_BEGUN = select(attempts.c.job_id).where(
    attempts.c.job_id.in_(bindparam("ids", expanding=True)),
    tuple_(attempts.c.job_id, attempts.c.number).in_(bindparam("held", expanding=True)),
    attempts.c.sampling_at.is_not(None),
)


class LeaseStore(StorePart):
    """Renews leases and ends expired ones, by the database's clock."""

    def renew(self, worker_id: int, claims: Sequence[Claim], *, lease: float) -> Renewal:
        """Extend the leases of a worker's claims to `lease` seconds from now.

        A lease that expired but whose attempt was not ended yet is renewed as well.
        """
        with self.write() as connection:
            held = fenced(connection, [c for c in claims if c.worker_id == worker_id])
            if held:
                now = self.present(connection)
                connection.execute(
                    update(jobs)
                    .where(jobs.c.id.in_(list(held)))
                    .values(lease_until=now + lease, leased_at=now)
                )
        return renewal(claims, held)

    def look(self, worker_id: int, claims: Sequence[Claim]) -> Renewal:
        """The result that `renew` would return, without renewing and without locking."""
        mine = [claim for claim in claims if claim.worker_id == worker_id]
        query = select(jobs.c.id, jobs.c.cancel_requested).where(HOLDS)
        with self.read() as connection:
            rows = connection.execute(query, fences(mine)) if mine else ()
            held = {row.id: row for row in rows}
        return renewal(claims, held)

    def expire(
        self, *, backoff: Callable[[int], float] = at_once, alive: float = 60.0
    ) -> list[Expired]:
        """End the attempts whose lease expired: their worker was killed, hangs, or is cut off.

        Each attempt is ended once, even if several reconcilers run at the same moment. An attempt
        whose sampling began (`ClaimStore.begin`) counts, so a job that kills its workers ends as
        failed. Otherwise the job returns to the queue and the attempt does not count.

        Args:
            backoff: returns the seconds to wait after the attempt with the given number.
            alive: workers not seen for this many seconds do not count as another device for it.
        """
        found: list[Expired] = []
        # Transactions of `CHUNK` rows, so that renewals and claims need not wait for all of them.
        while page := self._expire_some(backoff, alive):
            found += page
            if len(page) < CHUNK:
                break
        return found

    def _expire_some(self, backoff: Callable[[int], float], alive: float) -> list[Expired]:
        with self.write() as connection:
            now = self.present(connection)
            query = (
                select(*HELD, jobs.c.worker_name, jobs.c.card, jobs.c.lease_until)
                .where(RUNNING, jobs.c.lease_until < now)
                .order_by(jobs.c.id)
                .limit(CHUNK)
                .with_for_update(skip_locked=True)
            )
            rows = connection.execute(query).all()
            begun = _begun(connection, rows)
            endings = [_lost(row, _story(row, now), begun, backoff) for row in rows]
            write_endings(connection, avoiding(connection, endings, since=now - alive), now)
        return _expired(endings)

    def realign(self) -> int:
        """Begin leases anew that were extended before the database's clock was set back.

        Their workers renew them if they live. If they are dead, the leases end one lease from now
        instead of when the clock has caught up. The registrations of workers that were seen before
        the change are treated alike.

        Returns:
            The number of leases.
        """
        with self.read() as connection:
            limit = self.present(connection) + AHEAD
            ahead = select(jobs.c.id).where(RUNNING, jobs.c.leased_at > limit)
            seen = select(workers.c.id).where(*_seen_after(limit))
            if not connection.scalars(ahead.union_all(seen).limit(1)).all():
                return 0  # almost always: no write lock is taken
        with self.write() as connection:
            now = self.present(connection)
            connection.execute(update(workers).where(*_seen_after(now + AHEAD)).values(seen_at=now))
            late = select(jobs.c.id).where(RUNNING, jobs.c.leased_at > now + AHEAD)
            return connection.execute(
                update(jobs)
                # Every transaction locks jobs in the order of their ids, which avoids deadlocks.
                .where(jobs.c.id.in_(late.order_by(jobs.c.id).with_for_update(skip_locked=True)))
                # Workers have leases of different lengths; a row tells its own.
                .values(leased_at=now, lease_until=now + jobs.c.lease_until - jobs.c.leased_at)
            ).rowcount

    def left(self) -> float | None:
        """Seconds until the first lease ends unless it is renewed; None if there is none."""
        query = select(func.min(jobs.c.lease_until)).where(RUNNING)
        with self.read() as connection:
            first = connection.execute(query).scalar_one()
            return None if first is None else first - self.present(connection)

    def expire_worker(
        self,
        worker_id: int,
        story: str | None,
        *,
        backoff: Callable[[int], float] = at_once,
        alive: float = 60.0,
    ) -> list[Expired]:
        """End all attempts of a worker without waiting for their leases to expire.

        The supervisor calls this when it sees that the worker's process ended.

        Args:
            worker_id: the worker's registration.
            story: how the process ended, recorded as the error of its attempts. Those whose
                sampling began count as lost. None: the process was stopped on purpose; its jobs
                return to the queue and the attempts do not count.
            backoff, alive: as in `expire`.
        """
        with self.write() as connection:
            query = (
                select(*HELD, jobs.c.worker_name)
                .where(RUNNING, jobs.c.worker_id == worker_id)
                .order_by(jobs.c.id)
                .with_for_update(skip_locked=True)
            )
            rows = connection.execute(query).all()
            begun = _begun(connection, rows)
            endings = [
                released(row) if story is None else _lost(row, story, begun, backoff)
                for row in rows
            ]
            now = self.present(connection)
            write_endings(connection, avoiding(connection, endings, since=now - alive), now)
        return _expired(endings)


def _seen_after(time: float) -> tuple[ColumnElement[bool], ...]:
    return workers.c.state.in_((LIVE, DRAINING)), workers.c.seen_at > time


def _expired(endings: Sequence[Ending]) -> list[Expired]:
    return [Expired(e.held.id, e.held.worker_name, e.held.attempt, e.state) for e in endings]


def renewal(claims: Sequence[Claim], held: Mapping[int, Any]) -> Renewal:
    """What became of claims, of which those of `held`, by job, still hold."""
    return Renewal(
        lost=frozenset(claim.job_id for claim in claims).difference(held),
        cancelled=frozenset(row.id for row in held.values() if row.cancel_requested),
    )


def _begun(connection: Connection, held: Sequence[Found]) -> frozenset[int]:
    """Ids of the jobs whose sampling began.

    Read after their rows were locked: on PostgreSQL a join would see the attempts as they were
    before the lock was taken.
    """
    pairs = [(row.id, row.attempt) for row in held]
    values = {"held": pairs, "ids": [row.id for row in held]}
    return frozenset(connection.scalars(_BEGUN, values) if pairs else ())


def _lost(
    held: Found, story: str, begun: frozenset[int], backoff: Callable[[int], float]
) -> Ending:
    """The ending of an attempt whose worker is gone."""
    if held.id in begun:
        return failed(held, Failure.LOST, story, backoff=backoff)
    return released(held, reason=story)


def _story(row: Found, now: float) -> str:
    return (
        f"worker {row.worker_name} ({row.card}) stopped renewing its lease, which ran out "
        f"{now - row.lease_until:.1f} s before this was noticed: "
        "it was killed, hung, or cut off from the database"
    )
