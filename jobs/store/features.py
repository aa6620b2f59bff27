"""What a distance to real motions needs of each: kept with its job, read by card and mode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, and_, delete, insert, select

from jobs.domain.attempts import Features
from jobs.domain.states import Outcome
from jobs.store.base import Facet, among
from jobs.store.stats import AttemptFilter
from jobs.tables import attempts, jobs, motion_features


class FeatureStore(Facet):
    """Reading the features of motions. Nothing here writes."""

    def newest(
        self, card: str, mode: str, wanted: AttemptFilter, *, limit: int
    ) -> tuple[Features, ...]:
        """The features of the newest motions made on a card in a mode, newest first.

        A motion counts for the attempt that made it; a cached job's for the job that it shares it
        with, and not again.

        Args:
            card, mode: as the attempt had them.
            wanted: further conditions on the attempt.
            limit: at most so many.
        """
        made = and_(attempts.c.job_id == jobs.c.id, attempts.c.number == jobs.c.attempt)
        query = (
            select(motion_features)
            .join(jobs, jobs.c.id == motion_features.c.job_id)
            .join(attempts, made)
            # The job's own card and mode are its last attempt's, and an index has them by id.
            .where(jobs.c.card == card, jobs.c.mode == mode)
            .where(attempts.c.outcome == Outcome.SUCCEEDED, *wanted.conditions())
            .order_by(jobs.c.id.desc())
            .limit(limit)
        )
        with self.read() as connection:
            return tuple(
                Features(reference=row.reference, windows=row.windows, blob=bytes(row.blob))
                for row in connection.execute(query)
            )


def add_features(connection: Connection, found: Mapping[int, Features | None]) -> None:
    """Add the features of jobs that have none: those of a job that is tried again were removed."""
    rows = [
        {"job_id": job_id, "reference": one.reference, "windows": one.windows, "blob": one.blob}
        for job_id, one in found.items()
        if one is not None
    ]
    if rows:
        connection.execute(insert(motion_features), rows)


def remove_features(connection: Connection, job_ids: Sequence[int]) -> None:
    """Remove those of jobs (at most `CHUNK`) whose motions are to be made anew."""
    gone = among(connection, motion_features.c.job_id, job_ids)
    connection.execute(delete(motion_features).where(gone))
