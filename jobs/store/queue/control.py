"""Control: cancelling and retrying jobs on a user's request."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, false, func, or_, select, update

from jobs.domain.batches import Cancelled, Prioritised
from jobs.domain.states import FINAL, Failure, State, check, sources
from jobs.store.base import CHUNK, StorePart, among
from jobs.store.motions import NO_QUALITY, remove_features
from jobs.store.tables import artifacts, jobs

#: States that `retry` selects by default.
UNFINISHED: frozenset[State] = frozenset({State.FAILED, State.CANCELLED})


#: Number of jobs that `prioritise` names.
NAMED = 5


class ControlStore(StorePart):
    """Cancels, retries and prioritises jobs, by job ids or by batch.

    Ids that do not exist are ignored.
    """

    def cancel(
        self, job_ids: Sequence[int] | None = None, *, batch_id: int | None = None
    ) -> Cancelled:
        """Cancel queued jobs at once and request that the workers of running jobs stop.

        If a worker is claiming the job at the same moment, that worker sees the request: it cannot
        be lost.
        """
        with self.write() as connection:
            now = self.present(connection)
            chosen = _chosen(connection, job_ids, batch_id)
            # The lock waits for a concurrent claim or ending, so its result is seen here. The order
            # is the one in which every transaction locks jobs.
            rows = connection.execute(_locked(chosen, {State.QUEUED, State.RUNNING})).all()
            stopped = [row.id for row in rows if row.state == State.QUEUED]
            asked = [row.id for row in rows if row.state == State.RUNNING]
            gone = {"state": State.CANCELLED, "finished_at": now, "failure": None, "error": None}
            _write(connection, stopped, State.QUEUED, gone)
            _write(connection, asked, State.RUNNING, {"cancel_requested": True})
            there = select(func.count()).select_from(jobs).where(chosen)
            finished = connection.execute(there).scalar_one() - len(rows)
        return Cancelled(stopped=len(stopped), asked=len(asked), finished=finished)

    def prioritise(
        self, priority: int, job_ids: Sequence[int] | None = None, *, batch_id: int | None = None
    ) -> Prioritised:
        """Give queued jobs a priority. The next claim sees it; messages do not carry it."""
        with self.write() as connection:
            chosen = _chosen(connection, job_ids, batch_id)
            queued = _locked(chosen, {State.QUEUED}).with_only_columns(jobs.c.id, jobs.c.priority)
            rows = connection.execute(queued).all()
            changed = [row.id for row in rows if row.priority != priority]
            # What the row itself asked for, which its hash contains.
            asked = func.coalesce(jobs.c.row_priority, jobs.c.priority)
            _write(connection, changed, State.QUEUED, {"row_priority": asked, "priority": priority})
            others = jobs.c.state != State.QUEUED
            left = select(jobs.c.state, func.count()).where(chosen, others).group_by(jobs.c.state)
            counts = {State(state): count for state, count in connection.execute(left)}
            first = select(jobs.c.id, jobs.c.state).where(chosen, others).order_by(jobs.c.id)
            named = connection.execute(first.limit(NAMED)) if counts else ()
            return Prioritised(
                changed=len(changed),
                same=len(rows) - len(changed),
                left=counts,
                named=tuple((row.id, State(row.state)) for row in named),
            )

    def retry(
        self,
        job_ids: Sequence[int] | None = None,
        *,
        batch_id: int | None = None,
        states: Collection[State] = UNFINISHED,
        failure: Failure | None = None,
        max_attempts: int,
        force: bool = False,
    ) -> int:
        """Return ended jobs to the queue with `max_attempts` further attempts.

        Args:
            job_ids: ids of the jobs.
            batch_id: selects all jobs of this batch as well.
            states: selects only jobs in these states.
            failure: selects only jobs that failed with this failure.
            max_attempts: number of attempts that each job gets from now on.
            force: include succeeded jobs if `states` contains that state. The rows of their files
                are deleted, and the files are replaced when the job succeeds again.

        Returns:
            The number of jobs returned to the queue.
        """
        wanted = set(states) & FINAL
        if not force:
            wanted -= {State.SUCCEEDED}
        for state in wanted:
            check(state, State.QUEUED)
        with self.write() as connection:
            now = self.present(connection)
            query = _locked(_chosen(connection, job_ids, batch_id), wanted)
            if failure is not None:
                query = query.where(jobs.c.failure == failure)
            ids = list(connection.scalars(query)) if wanted else []
            for start in range(0, len(ids), CHUNK):
                _queue_again(connection, ids[start : start + CHUNK], now, max_attempts)
        return len(ids)


def _chosen(
    connection: Connection, job_ids: Sequence[int] | None, batch_id: int | None
) -> ColumnElement[bool]:
    """Condition: the job has one of these ids or belongs to this batch."""
    chosen = [among(connection, jobs.c.id, job_ids)] if job_ids else []
    if batch_id is not None:
        chosen.append(jobs.c.batch_id == batch_id)
    return or_(false(), *chosen)


def _locked(chosen: ColumnElement[bool], states: Collection[State]) -> Any:
    return (
        select(jobs.c.id, jobs.c.state)
        .where(chosen, jobs.c.state.in_(states))
        .order_by(jobs.c.id)
        .with_for_update()
    )


def _write(
    connection: Connection, ids: Sequence[int], state: State, values: Mapping[str, Any]
) -> None:
    for start in range(0, len(ids), CHUNK):
        some = among(connection, jobs.c.id, ids[start : start + CHUNK])
        connection.execute(update(jobs).where(some, jobs.c.state == state).values(**values))


def _queue_again(connection: Connection, ids: Sequence[int], now: float, max_attempts: int) -> None:
    connection.execute(delete(artifacts).where(among(connection, artifacts.c.job_id, ids)))
    remove_features(connection, ids)
    connection.execute(
        update(jobs)
        .where(
            among(connection, jobs.c.id, ids), jobs.c.state.in_(FINAL & set(sources(State.QUEUED)))
        )
        .values(
            state=State.QUEUED,
            attempt_limit=jobs.c.attempt + max_attempts,
            published_at=None,
            queued_at=now,
            not_before=0.0,
            finished_at=None,
            worker_id=None,
            cached_from=None,
            # The encoder that the job waited for may no longer exist. The worker that claims the
            # job checks whether its text is encoded, and parks it for the current encoder if not.
            encode_gib=None,
            text_revision=None,
            suspect=False,
            returns=0,
            avoid=None,
            avoid_until=None,
            # The quality describes the old motion, which is sampled again.
            **NO_QUALITY,
            failure=None,
            error=None,
        )
    )
