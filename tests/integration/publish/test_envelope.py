"""Our envelope, compared field by field with kombu's."""

from __future__ import annotations

import base64
import contextlib
import json
from typing import Any

import pytest

from jobs.delivery.broker import kombu_url
from jobs.delivery.celery_app import celery_app
from jobs.delivery.message import TASK
from jobs.delivery.publisher import CHUNK, Publisher
from jobs.errors import UnreachableError
from jobs.settings import Settings
from tests.conftest import RedisServer

QUEUE = "hymo.full.24"
#: Headers that kombu adds and no consumer needs: Celery has defaults for them or only displays
#: them. Check a header that a later Celery adds before listing it here.
OPTIONAL = {
    "argsrepr", "group_index", "kwargsrepr", "origin", "replaced_task_nesting", "shadow",
    "stamped_headers", "stamps",
}  # fmt: skip


@pytest.fixture
def settings(redis_server: RedisServer, tmp_path: Any) -> Settings:
    return Settings(
        home=tmp_path, output=tmp_path, database_url="sqlite:///x", broker_url=redis_server.url
    )


def messages(server: RedisServer, queue: str = QUEUE) -> list[dict[str, Any]]:
    """The messages of a queue, the next one first."""
    with contextlib.closing(server.client()) as client:
        return [json.loads(text) for text in reversed(client.lrange(queue, 0, -1))]


def kombus(settings: Settings, server: RedisServer, job_id: int, task_id: str) -> dict[str, Any]:
    """The message that `.apply_async` of our application publishes."""
    app = celery_app(kombu_url(settings))

    def take(job_id: int) -> None:
        """Never run here."""

    task = app.task(name=TASK, shared=False)(take)
    task.apply_async((job_id,), queue=QUEUE, task_id=task_id)
    app.close()
    (message,) = messages(server)
    with contextlib.closing(server.client()) as client:
        client.delete(QUEUE)
    return message


def ours(settings: Settings, server: RedisServer, job_id: int) -> dict[str, Any]:
    with contextlib.closing(Publisher(settings)) as publisher:
        assert publisher.publish([(job_id, QUEUE)]) == 1
    (message,) = messages(server)
    return message


def test_every_field_is_kombus(settings: Settings, redis_server: RedisServer) -> None:
    mine = ours(settings, redis_server, 4711)
    with contextlib.closing(redis_server.client()) as client:
        client.delete(QUEUE)
    theirs = kombus(settings, redis_server, 4711, mine["headers"]["id"])
    assert mine.keys() == theirs.keys()
    for name in ("content-encoding", "content-type"):
        assert mine[name] == theirs[name]
    assert theirs["headers"].keys() - mine["headers"].keys() == OPTIONAL
    for name, value in mine["headers"].items():
        assert value == theirs["headers"][name], name
    properties, wanted = mine["properties"], theirs["properties"]
    assert properties.keys() == wanted.keys()
    for name in properties.keys() - {"delivery_tag", "reply_to"}:
        assert properties[name] == wanted[name], name
    # kombu names a reply queue, which is unused without a result backend.
    assert properties["reply_to"] == ""
    bodies = [json.loads(base64.b64decode(message["body"])) for message in (mine, theirs)]
    assert bodies[0] == bodies[1]


def test_the_binding_that_kombu_keeps_is_not_needed(
    settings: Settings, redis_server: RedisServer
) -> None:
    """kombu records queues in a set when it declares them; a consumer declares its own."""
    ours(settings, redis_server, 1)
    with contextlib.closing(redis_server.client()) as client:
        assert client.keys() == [QUEUE]


def test_ids_and_tags_are_unique_and_order_is_kept(
    settings: Settings, redis_server: RedisServer
) -> None:
    count = 2 * CHUNK + 7
    for _ in range(2):  # two publishers with the same jobs
        with contextlib.closing(Publisher(settings)) as publisher:
            pairs = ((number, f"hymo.full.{8 if number % 3 else 24}") for number in range(count))
            assert publisher.publish(pairs) == count
            assert publisher.depth(["hymo.full.8", QUEUE, "hymo.lite.1"])["hymo.lite.1"] == 0
    found = messages(redis_server) + messages(redis_server, "hymo.full.8")
    assert len(found) == 2 * count
    assert len({message["properties"]["delivery_tag"] for message in found}) == 2 * count
    assert len({message["headers"]["id"] for message in found}) == 2 * count
    ids = [json.loads(base64.b64decode(m["body"]))[0][0] for m in messages(redis_server)]
    assert ids[: len(ids) // 2] == sorted(ids[: len(ids) // 2])


def test_an_absent_broker_is_named_without_its_password(tmp_path: Any) -> None:
    settings = Settings(
        home=tmp_path, output=tmp_path, database_url="sqlite:///x",
        broker_url="redis://:hush@127.0.0.1:1/0",
    )  # fmt: skip
    publisher = Publisher(settings)
    for call in (lambda: publisher.publish([(1, QUEUE)]), lambda: publisher.depth([QUEUE])):
        with pytest.raises(UnreachableError) as caught:
            call()
        assert "hush" not in str(caught.value)
        assert "127.0.0.1:1" in str(caught.value)
        assert caught.value.exit_code == 7
    publisher.close()


def test_nothing_to_publish_needs_no_broker(tmp_path: Any) -> None:
    settings = Settings(
        home=tmp_path, output=tmp_path, database_url="sqlite:///x",
        broker_url="redis://127.0.0.1:1/0",
    )  # fmt: skip
    assert Publisher(settings).publish([]) == 0
