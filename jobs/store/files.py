"""The rows of a job's files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, insert, select

from jobs.domain.batches import Artifact
from jobs.store.base import among
from jobs.tables import artifacts


def files_of(connection: Connection, job_ids: Sequence[int]) -> dict[int, tuple[Artifact, ...]]:
    """The files of each of these jobs (at most `CHUNK` of them), by format."""
    found: dict[int, tuple[Artifact, ...]] = {}
    query = (
        select(artifacts)
        .where(among(connection, artifacts.c.job_id, job_ids))
        .order_by(artifacts.c.format)
    )
    for row in connection.execute(query) if job_ids else ():
        file = Artifact(format=row.format, path=row.path, size=row.size, sha256=row.sha256)
        found[row.job_id] = (*found.get(row.job_id, ()), file)
    return found


def add_files(connection: Connection, files: Mapping[int, Sequence[Artifact]], now: float) -> None:
    """Add the files of jobs that have none: those of a job that is tried again were removed."""
    rows = [
        {
            "job_id": job_id,
            "format": file.format,
            "path": file.path,
            "size": file.size,
            "sha256": file.sha256,
            "created_at": now,
        }
        for job_id, some in files.items()
        for file in some
    ]
    if rows:
        connection.execute(insert(artifacts), rows)
