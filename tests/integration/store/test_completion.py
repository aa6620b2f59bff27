"""Outcomes: what a worker can write, and the state of the job afterwards."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest

from jobs.domain.attempts import Failed, Timings
from jobs.domain.batches import Artifact
from jobs.domain.states import Failure, State
from jobs.errors import UnreachableError
from jobs.store.store import Store

PHASES = ("load_s", "encode_s", "sample_s", "decode_s", "save_s")


def five(number):
    return 5.0 * number


def test_success_is_written_in_full(farm, clock):
    numbers = farm.jobs(2)
    claims = farm.claim(farm.worker(), limit=2)
    clock.tick(30)
    assert farm.succeed(claims) == {}
    for number in numbers:
        row, (attempt,) = farm.job(number), farm.tries(number)
        assert (row.state, row.failure, row.error, row.lease_until) == (
            "succeeded",
            None,
            None,
            None,
        )
        assert row.finished_at == attempt.finished_at == clock()
        assert [getattr(row, p) for p in PHASES] == [getattr(attempt, p) for p in PHASES]
        assert [getattr(row, p) for p in PHASES] == [1, 2, 3, 4, 5]
        assert row.peak_memory_bytes == attempt.peak_memory_bytes == 1_000
        assert attempt.outcome == "succeeded"
        assert farm.files(number) == [f"/out/{number}.npz"]


def test_a_stale_worker_writes_nothing_and_publishes_nothing(farm, clock):
    (number,) = farm.jobs(1)
    slow, quick = farm.worker("slow"), farm.worker("quick")
    (stale,) = farm.claim(slow, lease=10)
    clock.tick(11)
    farm.store.leases.expire(backoff=lambda _: 0.0)
    (fresh,) = farm.claim(quick)
    published = []
    refused = farm.succeed([stale], publish=published.append)
    assert refused == {number: None}
    assert farm.store.completion.fail([Failed(stale, Failure.ERROR, "late")], backoff=five) == {}
    assert farm.store.completion.release([stale]) == {number}
    assert farm.store.completion.cancelled([stale]) == {number}
    assert published == []
    assert farm.job(number).attempt == 2
    assert farm.job(number).state == "running"
    assert farm.succeed([fresh]) == {}
    assert farm.succeed([fresh]) == {number: None}
    assert [row.outcome for row in farm.tries(number)] == ["failed", "succeeded"]


@pytest.mark.parametrize("change", [{"attempt": 2}, {"worker_id": 2}, {"job_id": 2}], ids=str)
def test_every_part_of_the_fence_counts(farm, change):
    farm.jobs(2)
    worker, _ = farm.worker("a"), farm.worker("b")
    (claim,) = farm.claim(worker)
    forged = replace(claim, **change)
    assert farm.succeed([forged]) == {forged.job_id: None}
    assert farm.succeed([claim]) == {}


def test_publish_runs_before_the_commit_and_only_for_claims_that_hold(farm):
    numbers = farm.jobs(3)
    claims = farm.claim(farm.worker(), limit=3)
    lost = replace(claims[1], attempt=9)
    seen = []
    farm.succeed(
        [claims[0], lost, claims[2]],
        publish=lambda result: seen.append((result.claim.job_id, farm.job(numbers[0]).state)),
    )
    # Another connection still sees the state before the transaction.
    assert seen == [(numbers[0], "running"), (numbers[2], "running")]


def test_a_file_that_cannot_be_placed_concerns_its_own_job(farm):
    first, second = farm.jobs(2)
    claims = farm.claim(farm.worker(), limit=2)

    def publish(result):
        if result.claim.job_id == first:
            raise OSError(28, "No space left on device")

    refused = farm.succeed(claims, publish=publish)
    assert list(refused) == [first]
    assert isinstance(refused[first], OSError)
    assert farm.job(second).state == "succeeded"
    row = farm.job(first)
    assert (row.state, row.worker_id) == ("running", claims[0].worker_id)
    assert farm.files(first) == []
    # The claim is still held, so the worker can report the failure.
    ended = farm.store.completion.fail(
        [Failed(claims[0], Failure.ERROR, "disk full")], backoff=five
    )
    assert ended == {first: State.QUEUED}


def test_another_fault_in_publish_keeps_nothing(farm):
    farm.jobs(2)
    claims = farm.claim(farm.worker(), limit=2)

    def publish(result):
        if result.claim is claims[1]:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        farm.succeed(claims, publish=publish)
    assert {farm.job(claim.job_id).state for claim in claims} == {"running"}
    assert farm.succeed(claims) == {}


def test_a_later_success_replaces_the_files(farm, finish):
    (number,) = farm.jobs(1)
    worker = farm.worker()
    farm.succeed(farm.claim(worker))
    farm.store.control.retry([number], states={State.SUCCEEDED}, max_attempts=1, force=True)
    assert farm.files(number) == []
    (claim,) = farm.claim(worker)
    files = (Artifact("bvh", "/new.bvh", 1, "cd"), Artifact("npz", "/new.npz", 2, "ef"))
    results = [replace(finish(claim), artifacts=files)]
    farm.store.completion.succeed(results, publish=lambda _: None)
    assert farm.files(number) == ["/new.bvh", "/new.npz"]


def test_failure_waits_then_tries_again_then_ends(farm, clock):
    (number,) = farm.jobs(1, limit=2)
    worker = farm.worker()
    (claim,) = farm.claim(worker)
    clock.tick(3)
    timings = Timings(load=0.5)
    failure = Failed(claim, Failure.NUMERICS, "NaN in sample", timings, 77)
    assert farm.store.completion.fail([failure], backoff=five) == {number: State.QUEUED}
    row = farm.job(number)
    assert (row.not_before, row.queued_at) == (clock() + 5, clock())
    assert (row.failure, row.error) == ("numerics", "NaN in sample")
    assert (row.published_at, row.worker_id, row.lease_until) == (None, None, None)
    assert (row.load_s, row.peak_memory_bytes) == (0.5, 77)
    clock.tick(5)
    (again,) = farm.claim(worker)
    row = farm.job(number)
    assert (again.attempt, row.failure, row.error, row.load_s) == (2, None, None, None)
    failure = Failed(again, Failure.ERROR, "boom")
    assert farm.store.completion.fail([failure], backoff=five) == {number: State.FAILED}
    row = farm.job(number)
    assert (row.state, row.failure, row.error) == ("failed", "error", "boom")
    assert row.finished_at == clock()
    assert [(t.failure, t.error) for t in farm.tries(number)] == [
        ("numerics", "NaN in sample"),
        ("error", "boom"),
    ]


@pytest.mark.parametrize(
    "failed", [{"failure": Failure.INVALID}, {"retry": False}], ids=["hopeless", "no retry"]
)
def test_what_no_retry_can_mend_fails_at_once(farm, failed):
    (number,) = farm.jobs(1)
    (claim,) = farm.claim(farm.worker())
    failure = Failed(**{"claim": claim, "failure": Failure.ERROR, "error": "x", **failed})
    assert farm.store.completion.fail([failure], backoff=five) == {number: State.FAILED}
    assert farm.job(number).attempt == 1


def test_out_of_memory_queues_the_retry_in_a_larger_class(farm):
    first, second = farm.jobs(2, gib=8, limit=1)
    with farm.store.engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE jobs SET attempt_limit = 2 WHERE id = {first}")
    claims = farm.claim(farm.worker(), limit=2)
    failures = [Failed(c, Failure.OUT_OF_MEMORY, "oom", gib=12) for c in claims]
    ended = farm.store.completion.fail(failures, backoff=lambda _: 0.0)
    assert ended == {first: State.QUEUED, second: State.FAILED}
    assert farm.job(first).class_gib == 12
    assert farm.job(second).class_gib == 8
    assert farm.claim(farm.worker(gib=8)) == []
    assert farm.claim(farm.worker(gib=12))[0].gib == 12


def test_release_gives_the_job_back_as_if_untouched(farm, clock):
    (number,) = farm.jobs(1, limit=1)
    worker = farm.worker()
    for _ in range(3):
        (claim,) = farm.claim(worker)
        clock.tick(1)
        assert farm.store.completion.release([claim]) == frozenset()
        row = farm.job(number)
        assert (row.state, row.failure, row.published_at) == ("queued", None, None)
        assert row.worker_id is None
    assert [t.outcome for t in farm.tries(number)] == ["released"] * 3
    farm.succeed(farm.claim(worker))
    assert farm.job(number).state == "succeeded"


def test_cancelled_is_no_failure(farm, clock):
    (number,) = farm.jobs(1)
    (claim,) = farm.claim(farm.worker())
    farm.store.control.cancel([number])
    assert farm.store.completion.cancelled([claim]) == frozenset()
    row, (attempt,) = farm.job(number), farm.tries(number)
    assert (row.state, row.failure, row.error) == ("cancelled", None, None)
    assert row.finished_at == clock()
    assert attempt.outcome == "cancelled"
    # Timings that were not measured are null, not 0.
    for each in (row, attempt):
        assert {getattr(each, phase) for phase in (*PHASES, "peak_memory_bytes")} == {None}


@pytest.mark.parametrize("way", ["succeed", "fail", "release", "expire"])
def test_a_request_to_cancel_is_never_forgotten(farm, clock, way):
    (number,) = farm.jobs(1)
    (claim,) = farm.claim(farm.worker(), lease=10)
    farm.store.control.cancel([number])
    if way == "succeed":
        farm.succeed([claim])
    elif way == "fail":
        farm.store.completion.fail([Failed(claim, Failure.ERROR, "boom")], backoff=five)
    elif way == "release":
        farm.store.completion.release([claim])
    else:
        clock.tick(11)
        farm.store.leases.expire(backoff=five)
    row = farm.job(number)
    # A job that finished before its worker saw the request stays succeeded.
    assert row.state == ("succeeded" if way == "succeed" else "cancelled")
    assert not row.cancel_requested
    assert row.error is None


def test_nothing_to_write_writes_nothing(farm):
    assert farm.store.completion.succeed([], publish=lambda _: None) == {}
    assert farm.store.completion.fail([], backoff=five) == {}
    assert farm.store.completion.release([]) == frozenset()
    assert farm.store.completion.cancelled([]) == frozenset()


def test_nobody_takes_a_job_while_its_files_are_put_in_place(farm, clock, database_url):
    (number,) = farm.jobs(1)
    claims = farm.claim(farm.worker(), lease=10)
    clock.tick(11)
    taken = []
    with Store.open(database_url, clock=clock, timeout=0.05) as other:

        def publish(_result):
            # PostgreSQL skips the locked row; SQLite has one writer at a time.
            with contextlib.suppress(UnreachableError):
                taken.extend(other.leases.expire(backoff=five))

        assert farm.succeed(claims, publish=publish) == {}
        assert taken == []
        assert other.leases.expire(backoff=five) == []
    assert [t.outcome for t in farm.tries(number)] == ["succeeded"]
