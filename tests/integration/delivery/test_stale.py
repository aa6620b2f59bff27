"""Stale messages: removed many at a time, and nothing else with them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from jobs.delivery.message import LONGEST, job_of
from jobs.delivery.stale import FEW, MANY, PAGE, StaleMessages
from jobs.domain.routing import TextDemand
from jobs.domain.states import State
from jobs.settings import Settings
from jobs.store.store import Store
from tests.waiting import until

from .conftest import OFFER, QUEUE, Scene

pytestmark = pytest.mark.redis
#: Messages a second that a sweep must remove: a tenth of what it does on an idle machine.
LEAST = 2_000


@pytest.fixture
def stale(scene: Scene) -> Iterator[StaleMessages]:
    made = StaleMessages(store=scene.store, settings=scene.settings, queues=(QUEUE,))
    yield made
    made.close()


def messages(scene: Scene) -> list[bytes]:
    """The queue's messages, the next one to be consumed first."""
    return [each.encode() for each in reversed(scene.client.lrange(QUEUE, 0, -1))]


def settle(scene: Scene, n: int) -> list[int]:
    """Run the next `n` jobs; their messages stay."""
    claims = scene.store.claims.claim(scene.worker_id, OFFER, limit=n, lease=90)
    scene.store.completion.cancelled(claims)
    return [claim.job_id for claim in claims]


def test_what_is_queued_stays_in_its_order(scene: Scene, stale: StaleMessages) -> None:
    ids = scene.add(10)
    scene.reconciler.round()
    done = {number for number in ids if number % 3}
    scene.store.control.cancel(sorted(done))
    before = messages(scene)
    assert stale.sweep() == len(done)
    assert messages(scene) == [each for each in before if job_of(each, QUEUE) not in done]
    assert stale.sweep() == 0


def test_all_pages_are_removed_and_what_comes_behind_them_is_not(
    scene: Scene, stale: StaleMessages
) -> None:
    scene.add(2 * PAGE + 30)
    scene.reconciler.round()
    settle(scene, 2 * PAGE + 30)
    new = scene.add(2 * PAGE + 33)[-3:]
    scene.reconciler.round()
    assert stale.sweep() == 2 * PAGE + 30
    assert [job_of(each, QUEUE) for each in messages(scene)] == new


def test_running_jobs_need_their_message_no_more(scene: Scene, stale: StaleMessages) -> None:
    scene.add(4)
    scene.reconciler.round()
    scene.claim(2)
    assert stale.sweep() == 2
    scene.live(95)
    assert scene.depth() == 4, "the worker died: its jobs have new messages"


def test_what_cannot_be_read_or_is_unknown_is_left(scene: Scene, stale: StaleMessages) -> None:
    ids = scene.add(3)
    scene.reconciler.round()
    one = messages(scene)[0]
    foreign = json.loads(one)
    foreign["headers"]["task"] = "other.task"
    foreign["body"] = json.loads(one)["body"]
    long = json.dumps(json.loads(one)).encode() + b" " * LONGEST
    unknown = [b"", b"{", b"[1]", b"\xff\xfe", json.dumps(foreign).encode(), long]
    scene.publisher.publish([(10**9, QUEUE)])
    for each in unknown:
        scene.client.rpush(QUEUE, each)
    scene.store.control.cancel(ids)
    assert stale.sweep() == 3
    left = messages_raw(scene)
    assert left[: len(unknown)] == list(reversed(unknown))
    assert [job_of(each, QUEUE) for each in left[len(unknown) :]] == [10**9]


def messages_raw(scene: Scene) -> list[bytes]:
    """As `messages`, for what is no text."""
    import redis

    path = scene.client.connection_pool.connection_kwargs["path"]
    with redis.Redis(unix_socket_path=path) as client:
        found: Any = client.lrange(QUEUE, 0, -1)
        return list(reversed(found))


def test_a_job_that_waits_for_its_text_is_called_from_another_queue(
    scene: Scene, stale: StaleMessages
) -> None:
    ids = scene.add(2)
    scene.reconciler.round()
    scene.store.encoding.park(ids[:1], TextDemand(gib=20, revision="te-1"))
    assert stale.sweep() == 1
    assert [job_of(each, QUEUE) for each in messages(scene)] == ids[1:]
    assert scene.store.delivery.stale("hymo.encode.20", ids) == {ids[1]}


def test_sweeps_of_several_workers_at_once_lose_nothing(scene: Scene) -> None:
    ids = scene.add(4 * PAGE)
    scene.reconciler.round()
    kept = ids[::7]
    scene.store.control.cancel([number for number in ids if number not in set(kept)])
    removed: list[int] = []

    def sweep() -> None:
        made = StaleMessages(store=scene.store, settings=scene.settings, queues=(QUEUE,))
        removed.append(made.sweep())
        made.close()

    threads = [threading.Thread(target=sweep) for _ in range(3)]
    for thread in threads:
        thread.start()
    # A consumer meanwhile:
    taken = [job_of(scene.client.rpop(QUEUE).encode(), QUEUE) for _ in range(20)]
    for thread in threads:
        thread.join()
    sweep()  # the queue moved under the others: they may have passed over some
    found = [number for number in taken if number in set(kept)]
    assert sorted(found + [job_of(each, QUEUE) for each in messages(scene)]) == kept
    assert sum(removed) + len(taken) - len(found) == len(ids) - len(kept)


def test_a_few_messages_in_a_row_begin_a_sweep(scene: Scene, stale: StaleMessages) -> None:
    scene.add(50)
    scene.reconciler.round()
    settle(scene, 50)
    for _ in range(FEW - 1):
        stale.note(0)
    stale.note(3)
    for _ in range(FEW - 1):
        stale.note(0)
    assert scene.depth() == 50
    stale.note(0)
    assert scene.depth() == 0


def test_messages_of_jobs_that_cannot_be_claimed_begin_few_sweeps(
    scene: Scene, stale: StaleMessages, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of a paused batch: each is taken by the consumer, as it always was."""
    scene.add(50)
    scene.reconciler.round()
    scene.store.batches.pause("night")
    sweeps = []
    sweep = stale.sweep
    monkeypatch.setattr(stale, "sweep", lambda: sweeps.append(1) or sweep())
    for _ in range(10_000):
        stale.note(0)
    assert scene.depth() == 50
    assert len(sweeps) < 10 + 10_000 / MANY


def test_an_absent_broker_only_ends_the_sweep(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    environ = {"HYMO_HOME": "/h", "HYMO_BROKER_URL": "redis://127.0.0.1:1"}
    gone = StaleMessages(store=scene.store, settings=Settings.read(environ), queues=(QUEUE,))
    for _ in range(1000):
        gone.note(0)
    assert 0 < len(caplog.records) < 10, "said again and again"


def test_thousands_a_second(scene: Scene, stale: StaleMessages) -> None:
    scene.add(10_000)
    scene.reconciler.round()
    scene.store.control.cancel(range(1, 10_001))
    start = time.perf_counter()
    assert stale.sweep() == 10_000
    assert 10_000 / (time.perf_counter() - start) > LEAST


SWEEPER = """
import os, sys
from jobs.delivery.stale import StaleMessages
from jobs.settings import Settings
from jobs.store.store import Store
settings = Settings.read(os.environ)
with Store.open(settings.database_url) as store:
    stale = StaleMessages(store=store, settings=settings, queues=(sys.argv[1],))
    print("ready", flush=True)
    stale.sweep()
"""


@pytest.mark.parametrize("moment", [0.0, 0.02, 0.05, 0.1])
def test_a_sweep_that_is_killed_loses_no_queued_job(
    scene: Scene,
    database_url: str,
    start_process: Callable[..., subprocess.Popen[Any]],
    moment: float,
) -> None:
    ids = scene.add(3 * PAGE)
    scene.reconciler.round()
    kept = ids[::2]
    scene.store.control.cancel(ids[1::2])
    environ = {"HYMO_DATABASE_URL": database_url, "HYMO_HOME": str(scene.settings.home)}
    environ["HYMO_BROKER_URL"] = str(scene.settings.broker_url)
    clients = len(scene.client.client_list())  # other tests may have left some
    process = start_process(
        [sys.executable, "-c", SWEEPER, QUEUE], env=os.environ | environ,
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "ready\n"
    time.sleep(moment)  # somewhere in the sweep
    process.kill()
    process.wait()
    until(
        lambda: len(scene.client.client_list()) <= clients,
        "the broker has ended what it was asked for",
    )
    found = [job_of(each, QUEUE) for each in messages(scene)]
    assert [number for number in found if number in set(kept)] == kept


def test_the_store_tells_which_jobs_have_no_need_of_a_message(scene: Scene, timed: Store) -> None:
    ids = scene.add(6)
    [claim] = scene.claim()
    timed.control.cancel(ids[1:2])
    assert timed.delivery.stale(QUEUE, [*ids, 10**9]) == {claim.job_id, ids[1]}
    assert timed.delivery.stale(QUEUE, []) == frozenset()
    assert timed.batches.counts(scene.batch.id)[State.QUEUED] == 4
