"""Our messages consumed by plain Celery workers, and foreign messages consumed by ours."""

from __future__ import annotations

import base64
import contextlib
import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from jobs.delivery.broker import kombu_url
from jobs.delivery.celery_app import TASK
from jobs.delivery.publisher import Publisher
from jobs.domain.routing import demand
from tests.conftest import RedisServer
from tests.faults.plant import Plant

#: The queue of the jobs that plants submit.
QUEUE = demand("null", "full", 20).queue


def test_a_plain_celery_worker_understands_our_messages(
    plant: Plant, own_redis: RedisServer
) -> None:
    with contextlib.closing(Publisher(plant.settings)) as publisher:
        publisher.publish([(number, QUEUE) for number in range(1, 51)])
    ran = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("plain.py")),
         kombu_url(plant.settings), QUEUE, "50"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    lines = [json.loads(line) for line in ran.stdout.splitlines() if line.startswith("{")]
    assert [line["args"] for line in lines] == [[number] for number in range(1, 51)], ran.stderr
    assert all((line["kwargs"], line["retries"]) == ({}, 0) for line in lines)
    assert all(line["id"].startswith(f"{line['args'][0]}-") for line in lines)
    with contextlib.closing(own_redis.client()) as client:
        assert client.llen(QUEUE) == client.hlen("unacked") == 0


class Payload:
    """Makes a file when unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def envelope(plant: Plant, own_redis: RedisServer) -> dict[str, Any]:
    """A valid message, to be modified."""
    with contextlib.closing(Publisher(plant.settings)) as publisher:
        publisher.publish([(1, "template")])
    with contextlib.closing(own_redis.client()) as client:
        found: dict[str, Any] = json.loads(client.rpop("template"))
    found["properties"]["delivery_info"]["routing_key"] = QUEUE
    return found


def body(*args: Any, **kwargs: Any) -> str:
    tail = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
    return base64.b64encode(json.dumps([args, kwargs, tail]).encode()).decode()


def send(own_redis: RedisServer, *texts: str) -> None:
    with contextlib.closing(own_redis.client()) as client:
        for text in texts:
            client.lpush(QUEUE, text)


def still_works(plant: Plant, own_redis: RedisServer, jobs: int) -> None:
    """Check that the same worker process still runs a valid job, and that no message is left."""
    (worker,) = (one for one in plant.running if one.name == "a")
    with contextlib.closing(own_redis.client()) as client:
        plant.until(lambda: client.llen(QUEUE) == 0, "every message was taken")
        plant.submit(2, name="good")
        plant.until(lambda: plant.job("good2").state == "succeeded", "the good jobs are done")
        assert worker.process.poll() is None, worker.said
        plant.finish(jobs + 2)
        assert client.hlen("unacked") == 0, worker.said


def test_pickle_is_refused(plant: Plant, own_redis: RedisServer) -> None:
    trap = plant.home / "trap"
    message = envelope(plant, own_redis)
    tail = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
    content = pickle.dumps(([Payload(trap)], {}, tail))
    message["body"] = base64.b64encode(content).decode()
    message["content-type"] = "application/x-python-serialize"
    message["content-encoding"] = "binary"
    plant.worker("a", HYMO_NULL_STEP="0")
    send(own_redis, json.dumps(message))
    still_works(plant, own_redis, 0)
    assert not trap.exists()


WRONG_ARGUMENTS = {
    "a word": body("1"),
    "a fraction": body(1.5),
    "a truth": body(True),
    "nothing": body(None),
    "a list": body([1]),
    "an object": body({"job_id": 1}),
    "a negative number": body(-1),
    "zero": body(0),
    "no such job": body(999_999_999),
    "a number beyond 64 bits": body(2**70),
    "a number of a thousand digits": body(10**1000),
    "no argument": body(),
    "two arguments": body(1, 2),
    "unknown keywords": body(1, shell="rm"),
    "SQL": body("1 OR 1=1; DROP TABLE jobs"),
}


def test_wrong_arguments_ask_for_nothing(plant: Plant, own_redis: RedisServer) -> None:
    plant.submit(1)
    plant.worker("a")
    plant.until_done(1)
    good = envelope(plant, own_redis)
    send(own_redis, *(json.dumps(good | {"body": wrong}) for wrong in WRONG_ARGUMENTS.values()))
    still_works(plant, own_redis, 1)
    assert plant.rows("SELECT count(*) FROM attempts")[0][0] == 3


def spoilt(good: dict[str, Any]) -> dict[str, str]:
    """Messages with an invalid envelope."""
    headers, properties = good["headers"], good["properties"]
    return {
        "another task": json.dumps(good | {"headers": headers | {"task": "os.system"}}),
        "no task": json.dumps(
            good | {"headers": {k: v for k, v in headers.items() if k != "task"}}
        ),
        "no headers": json.dumps(good | {"headers": {}}),
        "a body that is no JSON": json.dumps(
            good | {"body": base64.b64encode(b"{nonsense").decode()}
        ),
        "a body that is no list": json.dumps(good | {"body": base64.b64encode(b"17").decode()}),
        "another content type": json.dumps(good | {"content-type": "application/x-yaml"}),
        "no content type": json.dumps({k: v for k, v in good.items() if k != "content-type"}),
        "a long expired one": json.dumps(
            good | {"headers": headers | {"expires": "2001-01-01T00:00:00+00:00"}}
        ),
        "a task that is a list": json.dumps(good | {"headers": headers | {"task": [1]}}),
        "an id that is a number": json.dumps(good | {"headers": headers | {"id": 17}}),
        "a time that is none": json.dumps(good | {"headers": headers | {"expires": "soon"}}),
        "a callback": json.dumps(
            good
            | {
                "body": base64.b64encode(
                    json.dumps(
                        [[1], {}, {"callbacks": [{"task": TASK, "args": [1]}], "errbacks": None,
                                   "chain": None, "chord": None}]
                    ).encode()
                ).decode()
            }
        ),
        "another exchange": json.dumps(
            good
            | {"properties": properties | {"delivery_info": {"exchange": "x", "routing_key": "y"}}}
        ),
    }  # fmt: skip


def test_spoilt_frames_do_no_harm(plant: Plant, own_redis: RedisServer) -> None:
    plant.worker("a")
    send(own_redis, *spoilt(envelope(plant, own_redis)).values())
    still_works(plant, own_redis, 0)


@pytest.mark.parametrize("kind", ["no JSON", "headers that are a list"])
def test_what_is_no_message_at_all_ends_one_worker_and_no_job(
    plant: Plant, own_redis: RedisServer, kind: str
) -> None:
    """kombu crashes before our code sees the message, but the message is consumed: whatever starts
    workers again (`hymo up`, a container's restart policy) goes on."""
    plant.submit(4)
    plant.environ |= {"HYMO_CLAIM": "0"}
    plant.worker("a")
    plant.until_done(4)
    headless = json.dumps(envelope(plant, own_redis) | {"headers": [1]})
    send(own_redis, "no JSON" if kind == "no JSON" else headless)
    assert plant.running[-1].ended() == 1
    plant.submit(2, name="good")
    plant.worker("b")
    plant.until_done(6)
    plant.running.remove(plant.running[1])
    plant.finish(6)
