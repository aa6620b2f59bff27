"""Passwords of the URLs are in no output, log or row, whatever the libraries quote."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url

from tests.cli.calling import call
from tests.conftest import redis_program
from tests.faults.plant import Plant, opened
from tests.waiting import until

pytestmark = [pytest.mark.redis, pytest.mark.postgres]

CANARY = "kanari-4711"


@pytest.fixture
def quoting(home: Path) -> Iterator[Path]:
    """The socket of a server that does not know AUTH, and quotes the commands it does not know."""
    socket = home / "q.sock"
    words = ["--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", str(home)]
    for command in ("AUTH", "HELLO"):
        words += ["--rename-command", command, ""]
    process = subprocess.Popen([redis_program(), *words], stdout=subprocess.DEVNULL)
    until(socket.exists, "the server listens")
    yield socket
    process.kill()
    process.wait()


@pytest.fixture(params=["user", "query"])
def leaky(
    request: pytest.FixtureRequest, home: Path, quoting: Path, postgres_url: str
) -> Iterator[Plant]:
    """A plant whose URLs contain the password, once before the host and once as a parameter."""
    database = make_url(postgres_url)
    if request.param == "user":
        database = database.set(password=CANARY)
        broker = f"redis+socket://:{CANARY}@{quoting}"
    else:
        database = database.update_query_dict({"password": CANARY})
        broker = f"redis+socket://{quoting}?password={CANARY}"
    with opened(home, database.render_as_string(hide_password=False), None) as plant:
        plant.broker_url = plant.environ["HYMO_BROKER_URL"] = broker
        yield plant


def test_no_command_prints_a_password(leaky: Plant) -> None:
    submit = leaky.submit_command(leaky.prompts(1, "j"), steps=1)
    for words in (submit, ("doctor",), ("doctor", "--json")):
        said = call(*words, env=leaky.environ).output
        assert CANARY not in said
        assert "***" in said
    up = leaky.start("up", "up", "--devices", "cpu", "--models", "null")
    log = leaky.home / "logs" / "worker-cpu.log"
    # kombu sends no password that is a parameter of a socket's URL.
    said = "is ready" if "?" in str(leaky.broker_url) else "unknown command"
    leaky.until(lambda: log.exists() and said in log.read_text(), f"the worker's log has {said}")
    up.kill()
    logs = {path: path.read_text("utf-8", "replace") for path in leaky.home.rglob("*.log")}
    assert [path for path, text in logs.items() if CANARY in text] == []
    for table in ("workers", "attempts", "duties", "jobs"):
        assert CANARY not in str(leaky.rows(f"SELECT * FROM {table}"))


def test_no_error_of_a_server_that_is_away_prints_a_password(leaky: Plant) -> None:
    url = make_url(leaky.database_url)
    away = url.set(host="127.0.0.1", port=1).difference_update_query(["host"])
    leaky.environ["HYMO_DATABASE_URL"] = away.render_as_string(hide_password=False)
    for words in (("doctor",), ("history", "--json"), ("db", "upgrade")):
        done = call(*words, env=leaky.environ)
        said = f"{done.output}{done.exception}"
        assert "127.0.0.1" in said
        assert CANARY not in said
