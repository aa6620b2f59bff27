"""The SQL tables. Migrations import only this package.

Times are epoch seconds (UTC, double precision) by the database's clock, because SQLite and
PostgreSQL compare and subtract numbers in the same way. Sizes are in bytes, durations in seconds.
"""

from __future__ import annotations

from jobs.store.tables.attempt import artifacts, attempts, motion_features
from jobs.store.tables.batch import batches
from jobs.store.tables.columns import metadata
from jobs.store.tables.fleet import duties, workers
from jobs.store.tables.job import CLAIM_ORDER, jobs

__all__ = [
    "CLAIM_ORDER",
    "artifacts",
    "attempts",
    "batches",
    "duties",
    "jobs",
    "metadata",
    "motion_features",
    "workers",
]
