"""Submit with the real publisher, a real Redis-protocol server, and real kills."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import create_engine, func, select

from jobs.delivery.publisher import Publisher
from jobs.settings import Settings
from jobs.store.tables import jobs
from jobs.submission.submitter import Submitter
from tests.waiting import until

pytestmark = pytest.mark.redis


Hymo = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def hymo(start_process) -> Hymo:
    """Starts `hymo` as a process."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}

    def make(*args: str, **environ: str) -> subprocess.Popen[str]:
        program = [sys.executable, "-c", "from jobs.cli.main import main; main()"]
        return start_process([*program, *args], env=os.environ | environ, **pipes)

    return make


def message_ids(server) -> list[int]:
    with contextlib.closing(server.client()) as client:
        found = [text for key in client.keys("hymo.*") for text in client.lrange(key, 0, -1)]
    return [json.loads(base64.b64decode(json.loads(text)["body"]))[0][0] for text in found]


def test_every_new_job_has_one_message_in_the_queue_of_its_class(desk, redis_server) -> None:
    settings = Settings.read({"HYMO_BROKER_URL": redis_server.url}, home=str(desk.folder))
    with contextlib.closing(Publisher(settings)) as publisher:
        desk.outbox = publisher
        desk.settings = settings
        assert isinstance(desk.submitter(), Submitter)
        result = desk.submit(desk.write("prompt,mode,seeds\nwalks,full,1200\njumps,lite,3\n"))
    assert (result.new, result.undelivered) == (1203, None)
    assert sorted(message_ids(redis_server)) == list(range(1, 1204))
    with contextlib.closing(redis_server.client()) as client:
        assert {key: client.llen(key) for key in client.keys("hymo.*")} == {
            "hymo.full.1": 1200, "hymo.lite.1": 3,
        }  # fmt: skip


def test_a_broker_that_is_away_is_a_note_and_exit_zero(
    hymo: Hymo, sqlite_url: str, tmp_path: Path
) -> None:
    path = tmp_path / "prompts.csv"
    path.write_text("prompt\nwalks\n")
    submit = hymo(
        "submit", str(path), HYMO_HOME=str(tmp_path), HYMO_DATABASE_URL=sqlite_url,
        HYMO_BROKER_URL="redis://:secret@127.0.0.1:1/0",
    )  # fmt: skip
    out, err = submit.communicate()
    assert submit.returncode == 0
    assert "1 new" in out
    assert "is unreachable" in err
    assert "secret" not in out + err


@pytest.mark.slow
def test_a_submit_killed_half_way_and_repeated_ends_with_one_job_a_row(
    hymo: Hymo, sqlite_url: str, redis_server, tmp_path: Path
) -> None:
    path = tmp_path / "prompts.csv"
    with path.open("w") as stream:
        stream.write("prompt,id\n")
        stream.writelines(f"walks {number},row{number}\n" for number in range(20_000))
    environ = {
        "HYMO_HOME": str(tmp_path), "HYMO_DATABASE_URL": sqlite_url,
        "HYMO_BROKER_URL": redis_server.url,
    }  # fmt: skip
    engine = create_engine(sqlite_url)

    def count() -> int:
        with engine.connect() as connection:
            return connection.execute(select(func.count()).select_from(jobs)).scalar_one()

    submit = hymo("submit", str(path), **environ)

    def some() -> bool:
        assert submit.poll() is None, submit.communicate()
        return count() >= 3000

    until(some, "some rows are stored")
    submit.send_signal(signal.SIGKILL)
    submit.communicate()
    partly = count()
    assert partly < 20_000

    again = hymo("submit", str(path), "--json", **environ)
    out, err = again.communicate()
    assert again.returncode == 0, err
    assert json.loads(out) == {
        "schema": "hymo.submit/1", "batch": "prompts", "new": 20_000 - partly, "existing": partly,
        "changed": 0, "cached": 0, "invalid": 0, "requeued": 0, "unfamiliar": [], "recognised": [],
        "rewrite": None,
    }  # fmt: skip
    with engine.connect() as connection:
        found = connection.execute(select(jobs.c.id, jobs.c.custom_id, jobs.c.published_at)).all()
    engine.dispose()
    assert sorted(row.custom_id for row in found) == sorted(f"row{n}" for n in range(20_000))
    # The reconciler publishes the jobs without a message; marked ones have one.
    assert {row.id for row in found if row.published_at} <= set(message_ids(redis_server))
