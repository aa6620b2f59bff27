"""Opening databases, and the errors for databases that cannot be opened."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from jobs.errors import SchemaError, SettingsError, UnreachableError
from jobs.store.base import StorePart
from jobs.store.engine import connect
from jobs.store.faults import name_error
from jobs.store.store import Store

TERMINATE = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'hymo'"


@pytest.mark.parametrize(
    "url",
    ["mysql://u:secret@h/d", "nonsense", "bogus://u:secret@h/d", "sqlite://", "sqlite:///:memory:"],
)
def test_urls_that_cannot_work(url):
    with pytest.raises(SettingsError, match="HYMO_DATABASE_URL") as caught:
        connect(url)
    assert "secret" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_sqlite_is_opened_as_documented(empty_sqlite_url):
    engine = connect(empty_sqlite_url)
    with engine.connect() as connection:
        found = [
            connection.execute(text(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        ]
    assert found == ["wal", 1, 1, 20_000]
    engine.dispose()


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UnreachableError, match="folder cannot be created"):
        connect(f"sqlite:///{tmp_path / 'file' / 'sub' / 'hymo.db'}")


def test_a_file_that_is_no_database(tmp_path):
    (tmp_path / "hymo.db").write_text("not a database, by far" * 100)
    with pytest.raises(UnreachableError, match="not a database"):
        connect(f"sqlite:///{tmp_path / 'hymo.db'}")


def test_a_sqlite_commit_survives_kill_nine(sqlite_url):
    program = f"""
import os, signal
from jobs.store.store import Store
store = Store.open({sqlite_url!r})
store.batches.ensure("night", source="s", output="/o")
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -9
    with Store.open(sqlite_url) as store:
        assert store.batches.get("night").source == "s"


def test_a_locked_sqlite_is_waited_for_and_then_named(sqlite_url):
    with Store.open(sqlite_url, timeout=0.05) as store:
        other = connect(sqlite_url)
        with StorePart(other).write():
            with pytest.raises(UnreachableError, match="locked") as caught:
                store.batches.ensure("night", source="s", output="/o")
            assert caught.value.exit_code == 7
            # Readers are not blocked.
            assert store.batches.list() == []
        assert store.batches.ensure("night", source="s", output="/o")
        other.dispose()


def test_sqlite_transactions_that_read_and_then_write_queue_up(sqlite_url):
    # With the driver's own deferred transactions this fails at once with "database is locked".
    engine = connect(sqlite_url)
    start = threading.Barrier(4)
    faults = []

    def count_up():
        start.wait()
        for _ in range(25):
            try:
                with StorePart(engine).write() as connection:
                    n = connection.execute(text("SELECT count(*) FROM batches")).scalar()
                    connection.execute(
                        text("INSERT INTO batches (name, source, output, created_at)"
                             f" VALUES ('b{n}', '', '', 0)")
                    )  # fmt: skip
            except UnreachableError as error:
                faults.append(error)

    threads = [threading.Thread(target=count_up) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM batches")).scalar() == 100
    engine.dispose()


@pytest.mark.postgres
def test_postgresql_is_opened_as_documented(postgres_url):
    assert postgres_url.startswith("postgresql://")
    engine = connect(postgres_url, timeout=3)
    with engine.connect() as connection:
        found = [
            connection.execute(text(f"SHOW {name}")).scalar()
            for name in (
                "application_name", "lock_timeout", "statement_timeout",
                "idle_in_transaction_session_timeout", "transaction_isolation",
            )
        ]  # fmt: skip
    assert found == ["hymo", "3s", "1min", "1min", "read committed"]
    engine.dispose()


@pytest.mark.postgres
def test_options_in_the_url_count(postgres_url):
    engine = connect(f"{postgres_url}&options=-c%20statement_timeout%3D5000")
    with engine.connect() as connection:
        assert connection.execute(text("SHOW statement_timeout")).scalar() == "5s"
        assert connection.execute(text("SHOW lock_timeout")).scalar() == "20s"
    engine.dispose()


def test_a_server_that_is_away_is_named_without_its_password(tmp_path):
    with pytest.raises(UnreachableError) as caught:
        connect(f"postgresql://me:secret@/d?host={tmp_path}", timeout=2)
    assert caught.value.exit_code == 7
    assert "secret" not in str(caught.value)
    assert "me:***@" in str(caught.value)


def test_a_missing_driver_is_named_with_the_mend(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(UnreachableError, match=r"pip install 'hymo\[postgres\]'"):
        connect("postgresql://me:secret@host/d")


@pytest.mark.postgres
def test_a_dropped_connection_is_replaced(postgres_url, postgres_server):
    with Store.open(postgres_url) as store:
        store.batches.ensure("a", source="s", output="/o")
        postgres_server.execute(TERMINATE)
        assert store.batches.get("a").name == "a"


@pytest.mark.postgres
def test_a_connection_dropped_in_a_transaction_is_named(postgres_url, postgres_server):
    engine = connect(postgres_url)

    def cut_off():
        with StorePart(engine).write() as connection:
            connection.execute(text("SELECT 1"))
            postgres_server.execute(TERMINATE)
            connection.execute(text("SELECT 1"))

    with pytest.raises(UnreachableError, match="terminating connection"):
        cut_off()
    with StorePart(engine).read() as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1
    engine.dispose()


@pytest.mark.postgres
def test_a_locked_row_is_waited_for_and_then_named(postgres_url):
    with Store.open(postgres_url, timeout=0.1) as store:
        store.batches.ensure("night", source="s", output="/o")
        other = create_engine(store.engine.url)
        with other.begin() as connection:
            connection.execute(text("SELECT * FROM batches FOR UPDATE"))
            with pytest.raises(UnreachableError, match=r"is busy: .*lock timeout; end the session"):
                store.batches.pause("night")
        assert store.batches.pause("night").paused
        other.dispose()


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("53100", "has no room: planted; free space on the server's disk"),
        ("25006", "is read-only: planted; connect to the primary"),
        ("57P01", "is unreachable: planted; check that it is up"),
    ],
)
def test_what_ails_a_server_is_named(postgres_url, code, told):
    engine = connect(postgres_url)
    block = text(f"DO $$ BEGIN RAISE EXCEPTION 'planted' USING ERRCODE = '{code}'; END $$")
    with engine.connect() as connection, pytest.raises(DBAPIError) as caught:
        connection.execute(block)
    assert told in str(name_error(engine, caught.value))
    engine.dispose()


def test_missing_tables_are_named_with_the_mend(empty_database_url):
    with Store.open(empty_database_url) as store:
        for use in (store.batches.list, store.delivery.waiting):
            with pytest.raises(SchemaError, match="hymo db upgrade"):
                use()


def test_the_clock_is_the_databases(live_farm):
    before = live_farm.store.time()
    (number,) = live_farm.jobs(1)
    assert before <= live_farm.job(number).created_at <= live_farm.store.time()


def test_a_file_that_its_user_may_not_open_or_write_is_named(tmp_path, sqlite_url, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnreachableError, match="cannot be opened by this user; set HYMO_HOME"):
        connect(f"sqlite:///{tmp_path}")
    file = sqlite_url.removeprefix("sqlite:///")
    with (
        Store.open(f"sqlite:///file:{file}?mode=ro&uri=true") as store,
        pytest.raises(UnreachableError, match=f"{file}.* cannot be written by this user") as caught,
    ):
        store.batches.ensure("night", source="s", output="/o")
    assert caught.value.exit_code == 7
    assert not Path("file:").exists(), "a URI was taken for a path"


def test_the_url_of_a_file_may_say_how_long_to_wait_for_a_lock(empty_sqlite_url):
    engine = connect(f"{empty_sqlite_url}?timeout=0.25")
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one() == 250
    engine.dispose()
    for wrong in ("soon", "-1", "nan"):
        with pytest.raises(SettingsError, match=f"timeout={wrong}"):
            connect(f"{empty_sqlite_url}?timeout={wrong}")
