"""A long history generated in SQL: realistic jobs in every state, with attempts and files.

Batches of 20 000 jobs follow one another over thirty days; nine tenths of the jobs have ended
(most succeeded), some are running, the rest is queued. The rows are the same in every run.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Connection, text

from benchmarks.prompts import KINDS, prompt
from jobs.store.engine import connect
from jobs.store.tables import attempts, jobs

#: Jobs per batch.
BATCH = 20_000
#: Seconds that the history spans.
SPAN = 30 * 86_400.0
#: When the oldest job was submitted, epoch seconds.
BEGIN = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
WORKERS = 12
#: A word in one job of 20 000.
RARE = "pirouette"
#: A word in one job of eight.
COMMON = "dancer"

_NUMBERS = """
    WITH RECURSIVE numbers(i) AS (
        SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM numbers WHERE i < {count}
    )
"""

#: h1 … h4: pseudo-random numbers of three digits each.
_RAW = f"""
    SELECT i, i * 7919 % 1000 AS h1, i * 104729 % 997 AS h2, i * 15485863 % 991 AS h3,
           i * 6700417 % 983 AS h4,
           {BEGIN} + i * {{step}} AS born,
           CASE WHEN i > {{count}} * 9 / 10 THEN
                    CASE WHEN i <= {{count}} * 9 / 10 + 64 THEN 'running' ELSE 'queued' END
                WHEN i * 7919 % 1000 < 30 THEN 'failed'
                WHEN i * 7919 % 1000 < 40 THEN 'cancelled'
                ELSE 'succeeded' END AS state
    FROM numbers
"""  # noqa: S608  # numbers of our own

_JOBS = """
    INSERT INTO jobs (
        id, batch_id, custom_id, seed, prompt, frames, requested_mode, mode, steps, guidance,
        priority, formats, model, revision, metadata, row_hash, content_hash, class_gib, state,
        failure, error, attempt, attempt_limit, not_before, worker_id, lease_until,
        cancel_requested, published_at, created_at, queued_at, started_at, finished_at, card,
        worker_name, queue_s, load_s, encode_s, sample_s, decode_s, save_s, peak_memory_bytes,
        skate_mm, penetration_mm, jitter)
    {numbers}
    SELECT i, 1 + (i - 1) / {batch}, 'm' || i, h2,
           CASE WHEN i % 20000 = 7 THEN 'A ballerina ends a {rare} and bows.' ELSE words END,
           20 + h3 % 341, 'auto', CASE WHEN h4 % 10 < 7 THEN 'full' ELSE 'lite' END, 50, 5.0,
           h3 % 3, '["npz"]', 'hy-motion-1.0', '1.0', '{{"shot": "12"}}', 'r' || i, 'c' || i,
           CASE WHEN h4 % 10 < 7 THEN 24 ELSE 20 END, state,
           CASE WHEN state <> 'failed' THEN NULL WHEN h2 % 10 < 6 THEN 'out_of_memory'
                WHEN h2 % 10 < 8 THEN 'numerics' WHEN h2 % 10 < 9 THEN 'lost'
                ELSE 'timeout' END,
           CASE WHEN state = 'failed' THEN 'it did not work out' END,
           CASE WHEN state = 'queued' THEN 0 ELSE 1 END, 3, 0,
           CASE WHEN state IN ('queued', 'cancelled') THEN NULL ELSE 1 + h3 % {workers} END,
           CASE WHEN state = 'running' THEN born + 4e9 END,
           false, born + 1, born, born,
           CASE WHEN state NOT IN ('queued', 'cancelled') THEN born + 60 + h4 END,
           CASE WHEN state NOT IN ('queued', 'running') THEN born + 65 + h4 + h2 % 50 END,
           CASE WHEN state IN ('queued', 'cancelled') THEN NULL WHEN h3 % {workers} < 6 THEN
                'NVIDIA A10' WHEN h3 % {workers} < 11 THEN 'NVIDIA A100-SXM4-80GB'
                ELSE 'Tesla V100-SXM2-32GB' END,
           CASE WHEN state NOT IN ('queued', 'cancelled') THEN 'gpu-' || (1 + h3 % {workers}) END,
           CASE WHEN state NOT IN ('queued', 'cancelled') THEN 60.0 + h4 END,
           CASE WHEN state = 'succeeded' THEN 0.0 END,
           CASE WHEN state = 'succeeded' THEN 0.2 + h1 / 5000.0 END,
           CASE WHEN state = 'succeeded' THEN 4.0 + h2 % 50 END,
           CASE WHEN state = 'succeeded' THEN 0.3 END,
           CASE WHEN state = 'succeeded' THEN 0.05 END,
           CASE WHEN state = 'succeeded' THEN 22000000000 + h3 * 1000000 END,
           CASE WHEN state = 'succeeded' THEN 0.5 + h2 / 250.0 END,
           CASE WHEN state = 'succeeded' THEN 0.2 + h4 / 500.0 END,
           CASE WHEN state = 'succeeded' THEN 40.0 + h3 / 4.0 END
    FROM ({raw}) AS raw JOIN bench_prompts ON kind = i % {kinds}
"""

_ATTEMPTS = """
    INSERT INTO attempts (
        job_id, number, worker_id, worker_name, card, mode, pack_size, outcome, failure, error,
        started_at, finished_at, queue_s, load_s, encode_s, sample_s, decode_s, save_s,
        peak_memory_bytes, skate_mm, penetration_mm, jitter)
    SELECT id, 1, worker_id, worker_name, card, mode, 1, state, failure, error, started_at,
           finished_at, queue_s, load_s, encode_s, sample_s, decode_s, save_s, peak_memory_bytes,
           skate_mm, penetration_mm, jitter
    FROM jobs WHERE worker_id IS NOT NULL
"""

_ARTIFACTS = """
    INSERT INTO artifacts (job_id, format, path, size, sha256, created_at)
    SELECT id, 'npz', '/data/motions/b' || batch_id || '/' || custom_id || '.npz', 71234,
           'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', finished_at
    FROM jobs WHERE state = 'succeeded'
"""


def fill(url: str, count: int) -> None:
    """Put `count` jobs in the empty database at `url`, with their batches, attempts and files.

    The indexes of jobs and attempts are dropped meanwhile: building them at once is ten times
    faster.
    """
    engine = connect(url)
    indexes = sorted(jobs.indexes | attempts.indexes, key=lambda index: str(index.name))
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL statement_timeout = 0"))
        for index in indexes:
            index.drop(connection)
        _people(connection, count)
        _rows(connection, count)
        for index in indexes:
            index.create(connection)
    if engine.dialect.name == "postgresql":
        # Autovacuum does this within a minute of such an import. SQLite never does it by itself,
        # so it is measured without.
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))
    engine.dispose()


def _people(connection: Connection, count: int) -> None:
    """Batches, workers, and the prompts that jobs choose from."""
    connection.execute(
        text(
            "INSERT INTO batches (id, name, source, output, created_at)"
            " VALUES (:id, :name, 'prompts.csv', '/data/motions', :at)"
        ),
        [
            {"id": number + 1, "name": f"night-{number + 1}", "at": BEGIN}
            for number in range(-(-count // BATCH))
        ],
    )
    connection.execute(
        text(
            "INSERT INTO workers (id, name, state, host, device, card, modes, models,"
            " memory_bytes, max_frames, dtype, queues, tags, started_at, seen_at) VALUES"
            " (:id, :name, 'stopped', 'rack', 'cuda:0', 'NVIDIA A10', '[\"full\"]',"
            " '[\"hy-motion-1.0\"]', 25769803776, '{}', 'float32', '[]', '{}', :at, :at)"
        ),
        [{"id": number, "name": f"gpu-{number}", "at": BEGIN} for number in range(1, WORKERS + 1)],
    )
    connection.execute(text("CREATE TEMPORARY TABLE bench_prompts (kind INTEGER, words TEXT)"))
    connection.execute(
        text("INSERT INTO bench_prompts VALUES (:kind, :words)"),
        [{"kind": kind, "words": prompt(kind)} for kind in range(KINDS)],
    )
    connection.execute(text("CREATE INDEX bench_prompts_kind ON bench_prompts (kind)"))


def _rows(connection: Connection, count: int) -> None:
    filled = _JOBS.format(
        numbers=_NUMBERS.format(count=count),
        raw=_RAW.format(count=count, step=SPAN / count),
        batch=BATCH,
        rare=RARE,
        workers=WORKERS,
        kinds=KINDS,
    )
    for statement in (filled, _ATTEMPTS, _ARTIFACTS):
        connection.execute(text(statement))
