"""What a distance to real motions needs of each: kept with its job, read by card and mode."""

from __future__ import annotations

from sqlalchemy import and_, select

from jobs.domain.attempts import Features
from jobs.domain.states import Outcome
from jobs.store.base import StorePart, record
from jobs.store.history.stats import AttemptFilter
from jobs.store.tables import attempts, jobs, motion_features


class FeatureStore(StorePart):
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
            return tuple(record(Features, row) for row in connection.execute(query))
