"""Migrations: up, down and up again; the schema equals the tables'; one runs at a time."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from jobs.errors import SchemaError, SettingsError
from jobs.store import schema
from jobs.store.engine import connect
from jobs.store.faults import HEAD
from jobs.store.tables import metadata

TABLES = {"batches", "jobs", "attempts", "artifacts", "workers", "motion_features", "duties"}


@pytest.fixture
def engine(empty_database_url):
    """An engine on a database without tables."""
    made = connect(empty_database_url)
    yield made
    made.dispose()


def names(engine):
    return set(inspect(engine).get_table_names()) - {"sqlite_sequence"}


def described(engine):
    """The whole schema as the database describes it, without Alembic's table."""
    if engine.dialect.name == "sqlite":
        queries = ["SELECT type, name, tbl_name, sql FROM sqlite_master WHERE sql IS NOT NULL"]
    else:
        queries = [
            "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
            """SELECT table_name, column_name, data_type, character_maximum_length, is_nullable,
            column_default FROM information_schema.columns WHERE table_schema = 'public'""",
            """SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)
            FROM pg_constraint WHERE connamespace = 'public'::regnamespace""",
        ]
    with engine.connect() as connection:
        rows = [
            tuple(map(str, row)) for query in queries for row in connection.execute(text(query))
        ]
    # Columns and constraints may come in any order, and SQLite adds none but virtual columns to a
    # table that is there; every word is compared.
    return sorted(
        tuple(sorted(re.split(r"[\s,()]+", part.replace("VIRTUAL", "STORED"))) for part in row)
        for row in rows
        if not any("alembic_version" in part for part in row)
    )


def test_up_down_and_up_again(engine, empty_database_url):
    assert schema.current(engine) is None
    schema.upgrade(empty_database_url)
    assert names(engine) == TABLES | {"alembic_version"}
    assert schema.current(engine) == HEAD
    first = described(engine)
    schema.downgrade(empty_database_url, "base")
    assert names(engine) == {"alembic_version"}
    assert schema.current(engine) is None
    schema.upgrade(empty_database_url)
    assert described(engine) == first
    schema.upgrade(empty_database_url)
    assert described(engine) == first


def test_migrations_make_exactly_the_tables(engine, empty_database_url):
    metadata.create_all(engine)
    wanted = described(engine)
    metadata.drop_all(engine)
    schema.upgrade(empty_database_url)
    assert described(engine) == wanted


def test_autogenerate_finds_nothing_to_do(engine, empty_database_url):
    schema.upgrade(empty_database_url)
    with engine.connect() as connection:
        options = {"compare_type": True, "compare_server_default": True}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []


def test_head_is_what_the_program_asks_for():
    scripts = ScriptDirectory.from_config(schema.configuration())
    assert scripts.get_heads() == [HEAD]


def test_another_schema_is_refused(engine, empty_database_url):
    with pytest.raises(SchemaError, match=r"at nothing.*hymo db upgrade"):
        schema.require_current(engine)
    schema.upgrade(empty_database_url)
    schema.require_current(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaError, match="9999"):
        schema.require_current(engine)
    with pytest.raises(SchemaError, match="9999"):
        schema.upgrade(empty_database_url)


def test_a_migration_that_fails_leaves_nothing_behind(engine, empty_database_url):
    with engine.begin() as connection:
        # The last table that the first migration creates.
        connection.execute(text("CREATE VIEW artifacts AS SELECT 1 AS x"))
    with pytest.raises(Exception, match="already exists"):
        schema.upgrade(empty_database_url)
    assert names(engine) == set()


def test_another_programs_file_is_left_alone(empty_sqlite_url):
    engine = connect(empty_sqlite_url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE photos (x integer)"))
    with pytest.raises(SettingsError, match=r"another program's .*'photos'"):
        schema.upgrade(empty_sqlite_url)
    assert names(engine) == {"photos"}
    engine.dispose()


def test_jobs_that_are_there_keep_all_and_get_no_quality(engine, empty_database_url):
    schema.upgrade(empty_database_url, "0002")
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO batches (id, name, source, output, created_at)"
                 " VALUES (1, 'b', 'f', '/o', 0)")
        )  # fmt: skip
        connection.execute(
            text(
                """INSERT INTO jobs (id, batch_id, custom_id, seed, prompt, frames, requested_mode,
                mode, steps, guidance, priority, formats, model, revision, metadata, row_hash,
                content_hash, class_gib, state, attempt_limit, created_at, queued_at, started_at,
                finished_at) VALUES (7, 1, 'a', 0, 'p', 20, 'full', 'full', 1, 1, 0, '[]', 'm', 'r',
                '{}', 'h', 'c', 8, 'succeeded', 3, 0, 0, 1, 3)"""
            )
        )
    schema.upgrade(empty_database_url)
    with engine.connect() as connection:
        (row,) = connection.execute(text("SELECT * FROM jobs")).all()
    assert (row.id, row.duration_s) == (7, 2)
    assert (row.skate_mm, row.penetration_mm, row.jitter) == (None, None, None)
    schema.downgrade(empty_database_url, "0002")
    with engine.connect() as connection:
        (row,) = connection.execute(text("SELECT * FROM jobs")).all()
    assert (row.id, row.duration_s) == (7, 2)
    assert "jitter" not in row._mapping


def test_attempts_that_run_count_as_begun(engine, empty_database_url):
    schema.upgrade(empty_database_url, "0007")
    with engine.begin() as connection:
        for statement in (
            """INSERT INTO batches (id, name, source, output, created_at, paused)
            VALUES (1, 'b', 'f', '/o', 0, false)""",
            """INSERT INTO workers (id, name, host, pid, device, card, dtype, memory_bytes, modes,
            models, max_frames, nvlink, queues, tags, state, started_at, seen_at) VALUES
            (1, 'w', 'h', 1, 'cpu', 'CPU', 'float32', 1, '[]', '[]', '{}', false, '[]', '{}',
            'live', 0, 0)""",
            *(
                f"""INSERT INTO jobs (id, batch_id, custom_id, seed, prompt, frames, requested_mode,
                mode, steps, guidance, priority, formats, model, revision, metadata, row_hash,
                content_hash, class_gib, state, attempt, attempt_limit, created_at, queued_at,
                lease_until)
                VALUES ({number}, 1, 'j{number}', 0, 'p', 20, 'full', 'full', 1, 1, 0, '[]', 'm',
                'r', '{{}}', 'h', 'c', 8, '{state}', {number}, 3, 0, 0, {lease})"""
                for number, state, lease in ((1, "succeeded", "NULL"), (2, "running", "9"))
            ),
            """INSERT INTO attempts (job_id, number, worker_id, worker_name, card, mode, pack_size,
            outcome, started_at) VALUES (1, 1, 1, 'w', 'CPU', 'full', 1, 'succeeded', 5),
            (2, 1, 1, 'w', 'CPU', 'full', 1, 'failed', 6),
            (2, 2, 1, 'w', 'CPU', 'full', 1, 'running', 7)""",
        ):  # fmt: skip
            connection.execute(text(statement))
    schema.upgrade(empty_database_url)
    query = text("SELECT sampling_at, path FROM attempts ORDER BY started_at")
    with engine.connect() as connection:
        assert connection.execute(query).all() == [(None, None), (None, None), (7, None)]
    schema.downgrade(empty_database_url, "0007")
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT * FROM attempts")).all()
    assert len(rows) == 3
    assert "sampling_at" not in rows[0]._mapping


def test_several_processes_may_upgrade_at_once(engine, empty_database_url):
    program = f"""
import alembic.command, psycopg
from jobs.store.schema import upgrade
print("ready", flush=True)
input()
upgrade({empty_database_url!r})
"""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with contextlib.ExitStack() as stack:
        running = [
            stack.enter_context(subprocess.Popen([sys.executable, "-c", program], **pipes))
            for _ in range(4)
        ]
        assert [process.stdout.readline() for process in running] == ["ready\n"] * 4
        for process in running:
            process.stdin.write("\n")
            process.stdin.flush()
        assert [process.wait() for process in running] == [0, 0, 0, 0]
    assert schema.current(engine) == HEAD
