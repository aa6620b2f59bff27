"""Our messages consumed by plain Celery workers, and foreign messages consumed by ours."""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
import pickle
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import redis

from jobs.delivery.broker import kombu_url
from jobs.delivery.message import TASK, envelope
from jobs.delivery.publisher import Publisher
from jobs.delivery.transport import PAUSE
from jobs.domain.routing import demand
from tests.conftest import RedisServer
from tests.faults.plant import Plant, Running

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


TAIL = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}


def body(args: Any = (1,), kwargs: Any = None, embed: Any = None) -> str:
    content = [args, {} if kwargs is None else kwargs, TAIL if embed is None else embed]
    return base64.b64encode(json.dumps(content).encode()).decode()


def forged(trap: Path) -> Iterator[bytes | str]:
    """What somebody with access to Redis might write: each is one message."""
    good = envelope(1, QUEUE, f"{'0' * 32}-1")
    headers, properties = good["headers"], good["properties"]
    info = properties["delivery_info"]
    # These ended a worker each.
    yield from ("x", b"", b"\xff\xfe", "[1]", "null", "[" * 100_000, '{"a":' * 900)
    yield json.dumps(good | {"headers": [1]})
    yield json.dumps(good | {"properties": properties | {"delivery_tag": {}}})
    yield json.dumps(good | {"properties": properties | {"delivery_info": 7}})
    # A message that becomes 200 MB, and one that already is.
    bomb = base64.b64encode(gzip.compress(bytes(200 << 20), 1)).decode()
    yield json.dumps(
        good | {"body": bomb, "headers": headers | {"compression": "application/x-gzip"}}
    )
    yield b"{" + b" " * (200 << 20)
    # These made it publish, or held it for ever.
    call = {"task": TASK, "args": [1], "kwargs": {}, "options": {"queue": "victim"}}
    for embed in ({"callbacks": [call]}, {"errbacks": [call]}, {"chain": [call]}, {"chord": call}):
        yield json.dumps(good | {"body": body(embed=TAIL | embed)})
    yield json.dumps(good | {"body": body(embed=5)})
    reply = properties | {"reply_to": "victim", "delivery_info": info | {"exchange": "victim"}}
    yield json.dumps(good | {"properties": reply})
    # These were kept in memory until their time.
    late = json.dumps(good | {"headers": headers | {"eta": "2999-01-01T00:00:00+00:00"}})
    yield from [late] * 2_000
    yield json.dumps(good | {"headers": headers | {"expires": "2001-01-01T00:00:00+00:00"}})
    pickled = base64.b64encode(pickle.dumps(([Payload(trap)], {}, TAIL))).decode()
    yield json.dumps(
        good
        | {"body": pickled, "content-type": "application/x-python-serialize",
           "content-encoding": "binary"}
    )  # fmt: skip
    for args in (["1"], [1.5], [True], [None], [[1]], [-1], [0], [2**70], [], [1, 2], 17):
        yield json.dumps(good | {"body": body(args)})
    yield json.dumps(good | {"body": body([10**1000])})
    yield json.dumps(good | {"body": body(kwargs={"shell": "rm"})})
    yield json.dumps(good | {"headers": headers | {"task": "os.system"}})


#: All that a worker asks of a broker, with what these tests ask. Nothing that kombu would read
#: besides its queues: no `smembers`, `hget`, `zrange`, `psubscribe`.
COMMANDS = {
    "brpop", "client|setinfo", "client|setname", "config|resetstat", "del", "eval", "evalsha",
    "exists", "hello", "info", "llen", "lpush", "lrange", "ltrim", "ping", "rpush", "scan",
    "script|load", "select",
}  # fmt: skip


def spoil(client: redis.Redis) -> list[str]:
    """Plant keys that kombu would read, and those of our own as another type; their names."""
    message = envelope(1, "victim", f"{'0' * 32}-2")
    client.hset("unacked", mapping={"a": json.dumps([message, "", "victim"]), "b": "x"})
    client.zadd("unacked_index", {"a": 1, "b": 2})
    for exchange in (QUEUE, "celery", "victim"):
        client.set(f"_kombu.binding.{exchange}", "no set")
    client.lpush(f"{QUEUE}\x06\x163", "x")
    client.set(QUEUE, "no list")
    return [name for name in names(client) if name != QUEUE]


def names(client: redis.Redis) -> list[str]:
    """The names of all keys."""
    return sorted(key.decode() for key in client.scan_iter())


def peak_memory(worker: Running) -> int:
    """The largest resident set of a process so far, bytes."""
    status = Path(f"/proc/{worker.pid}/status").read_text("utf-8")
    return int(next(line for line in status.splitlines() if line[:6] == "VmHWM:").split()[1]) << 10


def said_to_be_dropped(worker: Running) -> list[int]:
    """The counts in a worker's lines about dropped messages."""
    return [int(n) for n in re.findall(r"that HyMo did not write: (\d+)", worker.said)]


def test_nothing_that_is_forged_ends_a_worker_fills_it_or_is_done(
    plant: Plant, own_redis: RedisServer
) -> None:
    """One process meets all of it, and runs jobs before and afterwards: its end cannot count
    against it, since it does not end."""
    trap = plant.home / "trap"
    with contextlib.closing(redis.Redis(unix_socket_path=str(own_redis.socket))) as client:
        planted = spoil(client)
        client.config_resetstat()
        plant.submit(2, name="early")
        worker = plant.worker("a", HYMO_NULL_STEP="0")
        plant.until(lambda: "delete the key that is no list" in worker.said, "it said what to do")
        begun, calls = time.monotonic(), asked(client)
        plant.until(lambda: asked(client) >= calls + 3, "it asks again and again")
        assert time.monotonic() - begun > 2 * PAUSE, "it asks all the time"
        assert worker.said.count("delete the key that is no list") == 1
        plant.until_done(2)  # found in the database, without a message

        client.delete(QUEUE)
        before = peak_memory(worker)
        count = 0
        for message in forged(trap):
            client.lpush(QUEUE, message)
            count += 1
        plant.until(lambda: client.llen(QUEUE) == 0, "every message was taken")
        assert peak_memory(worker) - before < 50 << 20
        plant.submit(2, name="good")
        plant.until_done(4)
        plant.until(lambda: client.llen(QUEUE) == 0, "their messages were taken")
        assert worker.process.poll() is None, worker.said
        assert names(client) == planted, "it wrote or removed a key"
        assert {name.removeprefix("cmdstat_") for name in client.info("commandstats")} <= COMMANDS
        plant.finish(4)
    assert not trap.exists()
    assert plant.rows("SELECT count(*) FROM attempts")[0][0] == 4
    counts = said_to_be_dropped(worker)
    assert sum(counts) == count
    assert len(counts) <= 3, "a line for each"
    assert worker.said.count(" is unreachable: ") <= 2, "each failed round is said"
    assert "Traceback" not in worker.said


def asked(client: redis.Redis) -> int:
    """How many times messages were asked for."""
    found: dict[str, Any] = client.info("commandstats")
    return int(found.get("cmdstat_brpop", {}).get("calls", 0))
