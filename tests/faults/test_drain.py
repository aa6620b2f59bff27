"""Ending on purpose: SIGTERM finishes the pack in hand, and an owner's death drains its workers."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from jobs.delivery.broker import alive
from tests.faults.lock import locked
from tests.faults.plant import Plant, Running, opened
from worker.locks import worker_lock

UP = ("--devices", "cpu", "--models", "null", "--memory", "64", "--serve", "full")


def states(plant: Plant) -> list[str]:
    """Of the workers' rows, oldest first."""
    return [row.state for row in plant.rows("SELECT state FROM workers ORDER BY id")]


def only_first_attempts(plant: Plant, jobs: int) -> None:
    assert plant.counts() == {"succeeded": jobs}
    rows = plant.rows("SELECT outcome, sampling_at FROM attempts")
    assert [row.outcome for row in rows if row.sampling_at is not None] == ["succeeded"] * jobs
    # Jobs that were claimed ahead may have gone back.
    assert {row.outcome for row in rows if row.sampling_at is None} <= {"released"}
    assert plant.rows("SELECT max(attempt_limit - attempt) FROM jobs") == [(2,)]


def test_sigterm_lets_the_pack_in_hand_finish(plant: Plant) -> None:
    plant.submit(6, steps=20)
    worker = plant.worker("a", HYMO_NULL_STEP="0.1")
    plant.until(plant.holders, "a pack runs")
    worker.send(signal.SIGTERM)
    plant.until(lambda: states(plant) == ["draining"], "it says that it drains")
    assert worker.ended() == 0
    assert plant.counts() == {"queued": 4, "succeeded": 2}
    assert states(plant) == ["stopped"]
    # Whoever comes next gets the rest, without waiting for a lease or a visibility timeout.
    plant.worker("b")
    plant.finish(6)
    only_first_attempts(plant, 6)


@pytest.mark.parametrize("delay", [0.0, 0.02, 0.05, 0.1, 0.2])
def test_sigterm_while_a_worker_starts(plant: Plant, delay: float) -> None:
    """From its registration on it signs off, even before it consumes."""
    worker = plant.worker("a", ready=False)
    plant.until(lambda: states(plant), "it has registered")
    time.sleep(delay)  # no measure: some moment between registering and consuming
    worker.send(signal.SIGTERM)
    assert worker.ended() == 0, worker.said
    assert states(plant) == ["stopped"]


@pytest.fixture
def node(home: Path, sqlite_url: str) -> Iterator[Plant]:
    """A plant whose broker is the embedded server of `hymo up`."""
    with opened(home, sqlite_url, None) as made:
        yield made


def up(plant: Plant) -> Running:
    """A running `hymo up` with one worker."""
    before = len(states(plant))
    started = plant.start("up", "up", *UP)
    plant.until(lambda: len(states(plant)) > before, "its worker has registered")
    return started


@pytest.mark.slow
def test_up_killed_and_started_again(node: Plant) -> None:
    """Its workers drain by themselves, and a new `hymo up` takes the home over."""
    plant = node
    plant.environ |= {"HYMO_NULL_STEP": "0.07"}
    plant.submit(16, steps=10)
    first = up(plant)
    (pid,) = plant.until(lambda: set(plant.holders().values()), "a pack runs")
    first.kill()
    plant.until(lambda: states(plant) == ["stopped"], "the worker drained")
    plant.until(lambda: not psutil.pid_exists(pid), "its process ended")
    assert "queued" in plant.counts(), "the worker was done before it drained"
    assert alive(plant.settings), "the broker outlives its owner"
    up(plant)
    plant.finish(16)
    only_first_attempts(plant, 16)
    assert not alive(plant.settings), "the new owner stopped the broker"


@pytest.mark.slow
def test_the_device_of_a_killed_owner_is_free_when_its_worker_has_drained(node: Plant) -> None:
    """Two workers never share it, however soon the next owner comes."""
    plant = node
    plant.environ |= {"HYMO_NULL_STEP": "0.1"}
    plant.submit(8, steps=10)
    first = up(plant)
    (pid,) = plant.until(lambda: set(plant.holders().values()), "a pack runs")
    # It drains once it may go on. While nobody writes, it has no transaction open.
    worker = psutil.Process(pid)
    with locked(plant.database_url):
        worker.suspend()
    first.kill()
    second = plant.start("up", "up", *UP)
    log = plant.home / "logs" / "worker-cpu.log"
    held = f"device cpu is still in use by process {pid}"
    plant.until(lambda: held in log.read_text(), "the next worker waits")
    assert states(plant) == ["live"]
    worker.resume()
    plant.until(lambda: len(states(plant)) > 1, "the next worker has registered")
    assert states(plant) == ["stopped", "live"]
    plant.until(lambda: not psutil.pid_exists(pid), "the first one's process is gone")
    second.send(signal.SIGTERM)
    assert second.ended() == 0, second.said
    assert not alive(plant.settings)


def test_a_worker_waits_for_its_device_and_ends_on_sigterm(plant: Plant) -> None:
    lock = worker_lock(plant.home, device="cpu", name="a")
    assert lock.take() is None
    waiting = [plant.worker("a", ready=False) for _ in range(2)]
    for one in waiting:
        plant.until(lambda one=one: f"in use by process {os.getpid()}" in one.said, "it waits")
    waiting[0].send(signal.SIGTERM)
    assert waiting[0].ended() != 75
    assert states(plant) == []
    lock.free()
    plant.ready(waiting[1])
    plant.worker("b")  # another name is another worker
    assert states(plant) == ["live", "live"]


@pytest.mark.slow
def test_jobs_of_a_killed_worker_do_not_wait_for_their_lease(node: Plant) -> None:
    """Who started it knows that it is gone."""
    plant = node
    plant.environ |= {"HYMO_NULL_STEP": "0.2", "HYMO_LEASE": "300"}
    up(plant)
    plant.submit(4, steps=10)
    (pid,) = plant.until(lambda: set(plant.holders().values()), "a pack runs")
    lost = list(plant.holders())
    psutil.Process(pid).kill()
    plant.finish(4)
    assert plant.counts() == {"succeeded": 4}
    assert lost
    for name in lost:
        first, *_ = plant.tries(name)
        assert (first.pid, first.failure) == (pid, "lost")
        assert first.error.startswith(f"worker process {pid} was killed (SIGKILL), by the kernel")
    assert states(plant)[0] == "stopped"


@pytest.mark.slow
def test_up_restarts_what_is_killed(node: Plant) -> None:
    """The worker and the embedded server, both by kill -9."""
    plant = node
    plant.environ |= {"HYMO_NULL_STEP": "0.05"}
    up(plant)
    plant.submit(20, steps=10)
    (pid,) = plant.until(lambda: set(plant.holders().values()), "a pack runs")
    (broker,) = brokers(plant.home)
    broker.kill()
    psutil.Process(pid).kill()
    plant.finish(20)
    assert plant.counts() == {"succeeded": 20}
    assert len(states(plant)) == 2
    assert states(plant)[1] == "stopped"


def brokers(home: Path) -> list[psutil.Process]:
    """The embedded server of this home: a process that listens on its socket."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if str(home / "broker.sock") in {c.laddr for c in process.net_connections("unix")}:
                found.append(process)
    return found
