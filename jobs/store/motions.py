"""Stored data of motions: files, quality and features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from types import MappingProxyType

from sqlalchemy import Connection, delete, insert, select

from jobs.domain.attempts import Features, MotionQuality
from jobs.domain.batches import Artifact, NewJob
from jobs.store.base import Found, among, columns, record
from jobs.store.tables import artifacts, jobs, motion_features

#: Quality columns of jobs and attempts, named like the fields of `MotionQuality`.
QUALITY: tuple[str, ...] = tuple(each.name for each in fields(MotionQuality))

#: Values of the quality columns of a job without a motion.
NO_QUALITY: Mapping[str, None] = MappingProxyType(columns(MotionQuality()))


def files_of(connection: Connection, job_ids: Sequence[int]) -> dict[int, tuple[Artifact, ...]]:
    """The files of each of these jobs, sorted by format."""
    found: dict[int, tuple[Artifact, ...]] = {}
    query = (
        select(artifacts)
        .where(among(connection, artifacts.c.job_id, job_ids))
        .order_by(artifacts.c.format)
    )
    for row in connection.execute(query) if job_ids else ():
        found[row.job_id] = (*found.get(row.job_id, ()), record(Artifact, row))
    return found


def add_files(connection: Connection, files: Mapping[int, Sequence[Artifact]], now: float) -> None:
    """Insert the files of jobs. The jobs must have none: `retry` deletes earlier ones."""
    rows = [
        {"job_id": job_id, **columns(file), "created_at": now}
        for job_id, some in files.items()
        for file in some
    ]
    if rows:
        connection.execute(insert(artifacts), rows)


def add_features(connection: Connection, found: Mapping[int, Features | None]) -> None:
    """Insert the features of jobs. The jobs must have none: `retry` deletes earlier ones."""
    rows = [{"job_id": job_id, **columns(one)} for job_id, one in found.items() if one is not None]
    if rows:
        connection.execute(insert(motion_features), rows)


def remove_features(connection: Connection, job_ids: Sequence[int]) -> None:
    """Delete the features of jobs whose motions will be sampled again."""
    gone = among(connection, motion_features.c.job_id, job_ids)
    connection.execute(delete(motion_features).where(gone))


def to_quality(row: Found) -> MotionQuality:
    """The quality from a row of jobs or attempts."""
    return record(MotionQuality, row)


def shared_quality(
    connection: Connection, new: Sequence[NewJob]
) -> Mapping[int | None, MotionQuality]:
    """The quality of the motions that these jobs share, by `NewJob.cached_from`; empty for None."""
    earlier = sorted({job.cached_from for job in new if job.cached_from is not None})
    found: dict[int | None, MotionQuality] = dict.fromkeys((None, *earlier), MotionQuality())
    if earlier:
        query = select(jobs.c.id, *(jobs.c[name] for name in QUALITY))
        rows = connection.execute(query.where(among(connection, jobs.c.id, earlier)))
        found |= {row.id: to_quality(row) for row in rows}
    return found
