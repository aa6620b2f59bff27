"""Whether the remaining jobs of a batch can run, and the fix if they cannot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from jobs.domain.attempts import Failed
from jobs.domain.batches import NewJob
from jobs.domain.memory import GIB
from jobs.domain.pauses import Pause, PauseScope
from jobs.domain.routing import Offer, TextDemand
from jobs.domain.spec import JobSpec
from jobs.domain.states import Failure
from jobs.domain.workers import WorkerCard
from jobs.store.store import Store
from worker.errors import StuckError
from worker.supervision.stuck import StuckCheck

OURS = Offer("here", ("full",), ("null",), 8 * GIB)
SPEC = JobSpec(custom_id="a", prompt="walks", mode="full", model="null", steps=1, guidance=1.0)


@pytest.fixture
def store(sqlite_url: str) -> Iterator[Store]:
    """A batch of one job of 8 GiB."""
    with Store.open(sqlite_url) as opened:
        batch = opened.batches.ensure("night", source="night.csv", output="/out")
        opened.batches.insert(batch, [NewJob(SPEC, "full", "null-1", 8)], attempt_limit=1)
        yield opened


def check(store: Store, offer: Offer) -> None:
    StuckCheck(store=store, batch=store.batches.get("night"), offers=[offer], alive=60).check()


def test_a_job_that_fits_no_worker(store: Store) -> None:
    check(store, OURS)
    with pytest.raises(StuckError, match="--models, --serve and --memory") as stuck:
        check(store, replace(OURS, memory_bytes=4 * GIB))
    assert stuck.value.reasons == ("no worker fits: needs 8 GiB full; largest live: 4 GiB",)


def test_a_job_whose_text_no_worker_encodes(store: Store) -> None:
    store.encoding.park([1], TextDemand(gib=20, revision="te-1"))
    check(store, replace(OURS, encoders={"null": "te-1"}))
    with pytest.raises(StuckError, match="hymo models import --qwen DIR") as stuck:
        check(store, OURS)
    (reason,) = stuck.value.reasons
    assert reason.startswith("no worker fits: its text waits for a worker with 20 GiB that encodes")
    assert reason.endswith("with te-1; live: none that encodes")


def test_a_batch_whose_jobs_run_is_not_stuck(store: Store) -> None:
    """Its other jobs may fit a worker once these are done: they are judged then."""
    batch = store.batches.get("night")
    large = replace(SPEC, custom_id="b")
    store.batches.insert(batch, [NewJob(large, "full", "null-1", 16)], attempt_limit=1)
    card = WorkerCard(
        offer=OURS, host="h", pid=None, device="cpu", card="CPU", dtype="float32", nvlink=False,
        queues=(),
    )  # fmt: skip
    (claim,) = store.claims.claim(store.workers.register(card), OURS, limit=2, lease=60)
    check(store, OURS)
    store.completion.fail(
        [Failed(claim=claim, failure=Failure.INVALID, error="no")], backoff=lambda _: 0
    )
    with pytest.raises(StuckError, match="1 job of batch night left: no worker fits"):
        check(store, OURS)


@pytest.mark.parametrize(("scope", "subject"), [("worker", ""), ("model", "null full")])
def test_jobs_that_wait_for_a_pause_are_not_stuck(store: Store, scope: str, subject: str) -> None:
    """The pause ends by itself, so the worker's offer counts."""
    card = WorkerCard(
        offer=OURS, host="h", pid=None, device="cpu", card="CPU", dtype="float32", nvlink=False,
        queues=(),
    )  # fmt: skip
    worker = store.workers.register(card)
    store.workers.set_pauses(worker, [Pause(PauseScope(scope), subject, "sick", 0.0)])
    assert store.workers.offers(alive=60)[0].pauses
    check(store, replace(OURS, memory_bytes=4 * GIB))
