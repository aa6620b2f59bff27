"""Features of motions, from which their distance to real motions is computed."""

from __future__ import annotations

from sqlalchemy import and_, select

from jobs.domain.attempts import Features
from jobs.domain.states import Outcome
from jobs.store.base import StorePart, record
from jobs.store.history.stats import AttemptFilter
from jobs.store.tables import attempts, jobs, motion_features


class FeatureStore(StorePart):
    """Reads the features of motions."""

    def newest(
        self, card: str, mode: str, wanted: AttemptFilter, *, limit: int
    ) -> tuple[Features, ...]:
        """The features of the newest motions made on a card in a mode, newest first.

        A motion belongs to the attempt that made it. Cached jobs have no attempt of their own, so
        a motion that they share is counted once.

        Args:
            card, mode: card and mode of the attempt.
            wanted: further conditions on the attempt.
            limit: the maximum number of motions.
        """
        made = and_(attempts.c.job_id == jobs.c.id, attempts.c.number == jobs.c.attempt)
        query = (
            select(motion_features)
            .join(jobs, jobs.c.id == motion_features.c.job_id)
            .join(attempts, made)
            # A job has the card and mode of its last attempt, and its index is ordered by id.
            .where(jobs.c.card == card, jobs.c.mode == mode)
            .where(attempts.c.outcome == Outcome.SUCCEEDED, *wanted.conditions())
            .order_by(jobs.c.id.desc())
            .limit(limit)
        )
        with self.read() as connection:
            return tuple(record(Features, row) for row in connection.execute(query))
