"""Upgrade of a home of an older version: rows, files, ids and hashes are kept, commands print the
same, and unfinished jobs end.

tests/data/home-0005 is that home: three motions of `night`, two of them shared with `again`, whose
third job is held by a killed worker, and `later` with a queued and a cancelled job. `answers.json`
is the output of the older version.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from jobs.cli.main import hymo
from jobs.domain.states import Failure, Outcome
from jobs.store.store import Store

if TYPE_CHECKING:
    from tests.conftest import RedisServer

DATA = Path(__file__).parents[1] / "data" / "home-0005"
ANSWERS = json.loads((DATA / "answers.json").read_text("utf-8"))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    output = folder / "output"
    shutil.copytree(DATA / "motions", output / "night")
    (output / "again").mkdir()
    for name in ("wave_s7.npz", "jump_s0.npz"):
        os.link(output / "night" / name, output / "again" / name)
    with sqlite3.connect(folder / "hymo.db") as database:
        database.executescript(_here((DATA / "hymo.sql").read_text("utf-8"), folder))
    database.close()
    for name, value in (
        ("HYMO_HOME", str(folder)), ("HYMO_DATABASE_URL", ""), ("HYMO_BROKER_URL", ""),
        ("HYMO_OUTPUT", ""), ("TZ", "UTC"),
    ):  # fmt: skip
        monkeypatch.setenv(name, value)
    _run("db", "upgrade")
    return folder


def _here(text: str, home: Path) -> str:
    return text.replace("@HOME@", str(home)).replace("@FILES@", str(DATA))


def _run(*words: str) -> str:
    done = CliRunner().invoke(hymo, list(words), prog_name="hymo")
    assert done.exit_code == 0, done.output
    return done.stdout


def _without_news(now: Any, before: Any) -> Any:
    """An answer without the keys that it did not have: a schema may get more of them."""
    if isinstance(before, dict):
        return {key: _without_news(now[key], value) for key, value in before.items()}
    if isinstance(before, list) and len(now) == len(before):
        return [_without_news(*pair) for pair in zip(now, before, strict=True)]
    return now


@pytest.mark.parametrize("words", ANSWERS["json"])
def test_it_answers_as_it_did(home: Path, words: str) -> None:
    before = json.loads(_here(json.dumps(ANSWERS["json"][words]), home))
    assert _without_news(json.loads(_run(*words.split())), before) == before


def test_its_csv_is_the_same(home: Path) -> None:
    assert _run("history", "--csv") == _here(ANSWERS["csv"], home)


def test_the_same_file_adds_nothing_and_another_batch_reuses_its_motions(home: Path) -> None:
    again = json.loads(_run("submit", str(DATA / "night.csv"), "--steps", "4", "--json"))
    assert (again["new"], again["existing"], again["changed"]) == (0, 3, 0)
    more = ("submit", str(DATA / "night.csv"), "--steps", "4", "--batch", "third", "--json")
    shared = json.loads(_run(*more))
    # The third row has mode auto, which is lite without workers, but its motion was made in full.
    assert (shared["new"], shared["cached"]) == (1, 2)


def test_what_its_killed_worker_held_counts_as_lost(home: Path) -> None:
    """The older version did not record when sampling began."""
    with Store.open(f"sqlite:///{home / 'hymo.db'}") as store:
        (ended,) = store.leases.expire()
        (attempt,) = store.history.attempts(ended.job_id)
        assert (attempt.outcome, attempt.failure) == (Outcome.FAILED, Failure.LOST)
        assert attempt.sampling_at == attempt.started_at
        assert store.history.job(ended.job_id).suspect


@pytest.mark.slow
@pytest.mark.redis
@pytest.mark.parametrize("kept", [True, False])
def test_its_unfinished_jobs_end_and_what_killed_processes_left_is_swept(
    home: Path, own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch, kept: bool
) -> None:
    """With the messages that the older version put into Redis, and with an embedded server."""
    monkeypatch.setenv("HYMO_BACKOFF", "0.1")
    if kept:
        monkeypatch.setenv("HYMO_BROKER_URL", own_redis.url)
        messages = json.loads((DATA / "messages.json").read_text("utf-8"))
        with contextlib.closing(own_redis.client()) as client:
            for queue, bodies in messages.items():
                client.lpush(queue, *bodies)
    left = home / "output" / "night" / ".wave_s7.npz.link-1700000000-77.part"
    assert left.exists()
    serve = ("--memory", "32", "--models", "tiny,null")
    _run("run", str(DATA / "later.csv"), "--model", "null", *serve)
    _run("run", str(DATA / "night.csv"), "--batch", "again", "--steps", "4", *serve)
    states = {
        f"{job['batch']}/{job['custom_id']}": job["state"]
        for job in json.loads(_run("history", "--json"))["jobs"]
    }
    assert states == {
        "night/wave": "succeeded", "night/jump": "succeeded", "night/walk": "succeeded",
        "later/turn": "succeeded", "later/bow": "cancelled",
        "again/wave": "succeeded", "again/jump": "succeeded", "again/walk": "succeeded",
    }  # fmt: skip
    assert not left.exists()


def test_a_program_that_is_older_than_the_database_refuses_and_says_what_to_do(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.store.schema.HEAD", "0005")
    for words in (("history",), ("worker", "--device", "cpu"), ("run", str(DATA / "later.csv"))):
        done = CliRunner().invoke(hymo, list(words), prog_name="hymo")
        assert done.exit_code == 1, done.output
        assert "the database schema is at 0008, this program needs 0005" in done.output
        assert "update hymo on this machine" in done.output
