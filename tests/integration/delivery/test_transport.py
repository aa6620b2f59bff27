"""The gated transport with a real server, and what it relies on in kombu."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kombu import Consumer, Queue

from jobs.delivery.celery_app import celery_app
from jobs.delivery.message import envelope, job_of
from jobs.delivery.publisher import Publisher
from jobs.delivery.transport import Connection, Transport
from jobs.settings import Settings
from tests.conftest import RedisServer

pytestmark = pytest.mark.redis

QUEUE = "hymo.full.24"
PATIENCE = 30.0


@pytest.fixture
def connection(redis_server: RedisServer) -> Iterator[Connection]:
    app = celery_app(redis_server.url)
    with app.connection_for_read() as made:
        yield made
    app.close()


@pytest.fixture
def client(redis_server: RedisServer) -> Iterator[Any]:
    with contextlib.closing(redis_server.client()) as made:
        yield made


def publish(server: RedisServer, *ids: int) -> None:
    settings = Settings.read({"HYMO_HOME": "/h", "HYMO_BROKER_URL": server.url})
    with contextlib.closing(Publisher(settings)) as publisher:
        publisher.publish([(number, QUEUE) for number in ids])


def taken(connection: Connection, n: int = 1) -> list[Any]:
    """The next `n` messages that a consumer gets."""
    found: list[Any] = []
    queue = Queue(QUEUE, routing_key=QUEUE)
    with Consumer(connection, [queue], on_message=found.append, prefetch_count=n):
        while len(found) < n:
            connection.drain_events(timeout=PATIENCE)
    return found


@pytest.mark.parametrize(
    "url",
    ["redis://h:1/0", "rediss://h:1/0", "redis+socket:///r.sock", "redis://:p@h;redis://other/1"],
)
def test_every_url_goes_by_it(url: str) -> None:
    app = celery_app(url)
    for made in (app.connection_for_read(), app.connection_for_write()):
        for one in (made, made.clone()):
            assert one.get_transport_cls() is Transport
    app.close()


def test_a_message_is_made_anew(
    connection: Connection, redis_server: RedisServer, client: Any
) -> None:
    """Whatever another parser reads in it: of two values of a field, or of an equal one."""
    text = json.dumps(envelope(5, QUEUE, f"{'0' * 32}-1"))
    assert text.count('"retries": 0,') == 1
    client.lpush(QUEUE, text.replace('"retries": 0,', '"retries": 9, "retries": false,'))
    (message,) = taken(connection)
    assert message.headers["retries"] == 0
    assert message.headers["retries"] is not False
    assert message.payload[0] == [5]
    assert not client.keys(), "nothing is kept in the server"


def test_what_kombu_puts_back_is_accepted_again(
    connection: Connection, redis_server: RedisServer, client: Any
) -> None:
    publish(redis_server, 7)
    (message,) = taken(connection)
    message.requeue()
    (text,) = client.lrange(QUEUE, 0, -1)
    assert "redelivered" in text
    assert job_of(text.encode(), QUEUE) == 7
    (message,) = taken(connection)
    assert message.payload[0] == [7]
    message.ack()
    assert not client.keys()


def test_a_message_that_comes_as_the_channel_closes_is_put_back(
    connection: Connection, redis_server: RedisServer, client: Any
) -> None:
    """kombu waits for the BRPOP that it has sent, and has no consumer for what that brings."""
    publish(redis_server, 1)
    queue = Queue(QUEUE, routing_key=QUEUE)
    with Consumer(connection, [queue], on_message=lambda message: None, prefetch_count=2):
        connection.drain_events(timeout=PATIENCE)
        connection.transport.cycle.on_poll_start()
    assert connection.default_channel._in_poll, "no BRPOP was sent"
    publish(redis_server, 8)
    connection.close()
    assert [job_of(text.encode(), QUEUE) for text in client.lrange(QUEUE, 0, -1)] == [8]


def test_a_long_message_is_not_read_and_the_next_one_is(
    connection: Connection, redis_server: RedisServer, client: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    client.lpush(QUEUE, "x" * (64 << 20))
    publish(redis_server, 9)
    (message,) = taken(connection)
    assert message.payload[0] == [9]
    connection.close()
    (line,) = [each for each in caplog.messages if "did not write" in each]
    assert "did not write: 1 (the first in one of the queues: it is longer than" in line


CONSUMER = """
import sys, threading
from worker.consumer import Consumer
def work(job_id):
    print("took", job_id, flush=True)
    if job_id == 1:
        sys.stdin.readline()
sys.exit(Consumer(
    url=sys.argv[1], name="w", host="h", queues=[sys.argv[2]], work=work,
    draining=threading.Event(),
).consume())
"""


def test_a_server_that_refuses_commands_as_a_worker_connects_again_does_not_end_it(
    own_redis: RedisServer, start_process: Callable[..., subprocess.Popen[Any]]
) -> None:
    """The connection is lost while a job runs, and the event loop connects without kombu's care."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with contextlib.closing(own_redis.client()) as client:
        client.config_set("port", port)
        url = f"redis://127.0.0.1:{port}/1"  # for another database kombu must SELECT it
        settings = Settings.read({"HYMO_HOME": "/h", "HYMO_BROKER_URL": url})
        words = [sys.executable, "-c", CONSUMER, url, QUEUE]
        worker = start_process(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        with contextlib.closing(Publisher(settings)) as publisher:
            publisher.publish([(1, QUEUE)])
            assert worker.stdout.readline() == "took 1\n"
            client.execute_command("ACL", "SETUSER", "default", "-select")
            client.client_kill_filter(skipme=True, _type="normal")
            worker.stdin.write("go on\n")
            worker.stdin.flush()
            said = ""
            while "Cannot connect" not in said:
                said = worker.stderr.readline()
                assert said, "it ended"
            client.execute_command("ACL", "SETUSER", "default", "+select")
            publisher.publish([(2, QUEUE)])
            assert worker.stdout.readline() == "took 2\n"
        worker.terminate()
        assert worker.wait(PATIENCE) == 0
