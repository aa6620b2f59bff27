"""The columns that say what a job's motion is like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from types import MappingProxyType

from sqlalchemy import Connection, select

from jobs.domain.attempts import Quality
from jobs.domain.batches import NewJob
from jobs.store.base import CHUNK, Found, among
from jobs.tables import jobs

#: The columns of jobs and of attempts, named as the record's fields.
QUALITY: tuple[str, ...] = tuple(each.name for each in fields(Quality))

#: The values of a job that has no motion.
NO_QUALITY: Mapping[str, None] = MappingProxyType(asdict(Quality()))


def to_quality(row: Found) -> Quality:
    """The quality in a row of jobs or attempts."""
    return Quality(**{name: getattr(row, name) for name in QUALITY})


def shared_quality(connection: Connection, new: Sequence[NewJob]) -> Mapping[int | None, Quality]:
    """By `NewJob.cached_from`: the quality of the motions that these jobs share, none for None."""
    earlier = sorted({job.cached_from for job in new if job.cached_from is not None})
    found: dict[int | None, Quality] = dict.fromkeys((None, *earlier), Quality())
    for start in range(0, len(earlier), CHUNK):
        some = among(connection, jobs.c.id, earlier[start : start + CHUNK])
        query = select(jobs.c.id, *(jobs.c[name] for name in QUALITY)).where(some)
        for row in connection.execute(query):
            found[row.id] = to_quality(row)
    return found
