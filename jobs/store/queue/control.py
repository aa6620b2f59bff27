"""Requests: what a person asks of jobs, to cancel them or to try them again."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, false, func, or_, select, update

from jobs.domain.batches import Cancelled
from jobs.domain.states import FINAL, Failure, State, check, sources
from jobs.store.base import CHUNK, StorePart, among
from jobs.store.motions import NO_QUALITY, remove_features
from jobs.store.tables import artifacts, jobs

#: What `retry` takes unless told otherwise.
UNFINISHED: frozenset[State] = frozenset({State.FAILED, State.CANCELLED})


class ControlStore(StorePart):
    """Cancelling and retrying, by job ids or by batch. Ids that do not exist are passed over."""

    def cancel(
        self, job_ids: Sequence[int] | None = None, *, batch_id: int | None = None
    ) -> Cancelled:
        """Cancel queued jobs at once and ask the workers of running ones to stop.

        A request that comes while a worker claims the job is seen by that worker: there is no
        moment in which it is lost.
        """
        with self.write() as connection:
            now = self.present(connection)
            chosen = _chosen(connection, job_ids, batch_id)
            # Locked in order, so that this waits for a claim or an ending and sees its result.
            rows = connection.execute(_locked(chosen, {State.QUEUED, State.RUNNING})).all()
            stopped = [row.id for row in rows if row.state == State.QUEUED]
            asked = [row.id for row in rows if row.state == State.RUNNING]
            gone = {"state": State.CANCELLED, "finished_at": now, "failure": None, "error": None}
            _write(connection, stopped, State.QUEUED, gone)
            _write(connection, asked, State.RUNNING, {"cancel_requested": True})
            there = select(func.count()).select_from(jobs).where(chosen)
            finished = connection.execute(there).scalar_one() - len(rows)
        return Cancelled(stopped=len(stopped), asked=len(asked), finished=finished)

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
        """Put ended jobs back into the queue with `max_attempts` fresh attempts.

        Args:
            job_ids: which jobs; or
            batch_id: all jobs of a batch.
            states: which of them.
            failure: of the failed ones, only those that failed so.
            max_attempts: how often each may be tried from now on.
            force: take succeeded jobs too if `states` names them; their files' rows are removed,
                and the files replaced when the job succeeds again.

        Returns:
            How many jobs were put back.
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
    """The condition for a job to be meant: named, or of the batch."""
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
            # Who samples it finds out whether its text is encoded: by the encoder of today, not by
            # one that it waited for and that may be gone.
            encode_gib=None,
            text_revision=None,
            # It is its files', which are to be made anew.
            **NO_QUALITY,
            failure=None,
            error=None,
        )
    )
