"""The broker is killed, emptied, absent, or delivers too much: the rows are the truth."""

from __future__ import annotations

import contextlib
import signal

import pytest

from jobs.delivery.publisher import Publisher
from jobs.domain.routing import demand
from tests.conftest import RedisServer
from tests.faults.plant import Plant

#: One pack a message: without messages nothing goes on.
ONE_PACK = {"HYMO_CLAIM": "0"}
#: What a worker says that cannot reach the broker.
LOST = "Cannot connect"
#: Of every job here.
QUEUE = demand("null", "full", 20).queue


def only_first_attempts(plant: Plant, jobs: int) -> None:
    """No attempt failed, and none was made twice."""
    assert plant.counts() == {"succeeded": jobs}
    assert plant.rows("SELECT count(*) FROM attempts")[0][0] == jobs


def some_done(plant: Plant, n: int) -> None:
    plant.until(lambda: plant.counts().get("succeeded", 0) >= n, f"{n} jobs succeeded")


@pytest.mark.slow
def test_server_killed_and_started_again(plant: Plant, own_redis: RedisServer) -> None:
    plant.environ |= ONE_PACK | {"HYMO_NULL_STEP": "0.02"}
    plant.submit(60)
    workers = [plant.worker("a"), plant.worker("b")]
    some_done(plant, 8)
    own_redis.kill()
    left = 60 - plant.counts()["succeeded"]
    assert left > 10, "the server was killed too late to matter"
    plant.until(lambda: all(LOST in worker.said for worker in workers), "both noticed the loss")
    own_redis.start()
    plant.finish(60)
    only_first_attempts(plant, 60)


@pytest.mark.slow
def test_everything_flushed_in_mid_run(plant: Plant, own_redis: RedisServer) -> None:
    """Every waiting row gets a message again, while all workers are busy."""
    plant.environ |= ONE_PACK | {"HYMO_NULL_STEP": "0.08"}
    plant.submit(40)
    plant.worker("a")
    plant.worker("b")
    some_done(plant, 4)
    with contextlib.closing(own_redis.client()) as client:
        client.flushall()

        def published_again() -> bool:
            depth = client.llen(QUEUE)
            return 0 < plant.counts().get("queued", 0) <= depth

        plant.until(published_again, "every queued row has a message")
    plant.finish(40)
    only_first_attempts(plant, 40)


def test_every_message_delivered_three_times(plant: Plant, own_redis: RedisServer) -> None:
    plant.submit(40)
    messages = [(row.id, QUEUE) for row in plant.rows("SELECT id FROM jobs")]
    with contextlib.closing(Publisher(plant.settings)) as publisher:
        publisher.publish(messages)
        publisher.publish(reversed(messages))
    with contextlib.closing(own_redis.client()) as client:
        assert client.llen(QUEUE) == 120
        plant.worker("a")
        plant.worker("b")
        plant.until(lambda: client.llen(QUEUE) == 0, "all messages were taken")
        plant.finish(40)
        assert not client.keys(), "a worker keeps nothing in the broker"
    only_first_attempts(plant, 40)


def test_forged_messages_do_no_harm(plant: Plant) -> None:
    """A message may ask for a job that never was, or that is over."""
    plant.submit(4)
    plant.worker("a")
    plant.until_done(4)
    with contextlib.closing(Publisher(plant.settings)) as publisher:
        publisher.publish([(number, QUEUE) for number in (1, 4, 999, -1, 2**80)])
    plant.submit(2, name="more")
    plant.finish(6)
    only_first_attempts(plant, 6)


def test_submit_while_the_broker_is_down(plant: Plant, own_redis: RedisServer) -> None:
    own_redis.kill()
    assert plant.submit(6)["new"] == 6
    assert plant.counts() == {"queued": 6}
    own_redis.start()
    plant.worker("a")
    plant.finish(6)
    only_first_attempts(plant, 6)


@pytest.mark.slow
def test_sigterm_while_the_broker_is_gone(plant: Plant, own_redis: RedisServer) -> None:
    """The pack in hand is finished and signed off; nothing waits for the broker."""
    plant.submit(6, steps=20)
    worker = plant.worker("a", HYMO_NULL_STEP="0.1")
    plant.until(plant.holders, "a pack runs")
    own_redis.kill()
    worker.send(signal.SIGTERM)
    assert worker.ended() == 0
    assert plant.counts() == {"queued": 4, "succeeded": 2}
    assert plant.rows("SELECT state FROM workers")[0].state == "stopped"
    own_redis.start()
    plant.worker("b")
    plant.finish(6)
    only_first_attempts(plant, 6)


@pytest.mark.slow
def test_sigterm_of_an_idle_worker_while_the_broker_is_gone(
    plant: Plant, own_redis: RedisServer
) -> None:
    worker = plant.worker("a")
    own_redis.kill()
    # Celery has noticed, and is trying to connect again.
    plant.until(lambda: LOST in worker.said, "the loss was noticed")
    worker.send(signal.SIGTERM)
    assert worker.ended() == 0
