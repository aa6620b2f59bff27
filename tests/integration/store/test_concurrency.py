"""Concurrent workers and reconcilers, each with its own connection."""

from __future__ import annotations

import threading
from collections import Counter

import pytest

from jobs.domain.attempts import Failed
from jobs.domain.states import Failure, State
from jobs.store.store import Store

WORKERS = 8
JOBS = 500


def together(database_url, work, n):
    """Run `work(store, number)` in `n` threads that start together; the result of each."""
    start = threading.Barrier(n)
    results, faults = [], []

    def run(number):
        with Store.open(database_url) as store:
            start.wait()
            try:
                results.append(work(store, number))
            except Exception as error:
                faults.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    return results


@pytest.fixture
def everybody(live_farm):
    """Registered workers."""
    return [live_farm.worker(f"w{number}") for number in range(WORKERS)]


def test_every_job_is_claimed_once(database_url, live_farm, everybody, make_job):
    live_farm.insert(*[make_job(f"j{i}", gib=2 << i % 3, priority=i % 2) for i in range(JOBS)])

    def work(store, number):
        hand, taken = everybody[number], []
        while claims := store.claims.claim(hand.id, hand.offer, limit=1 + number, lease=60):
            taken += claims
        return taken

    taken = [claim for part in together(database_url, work, WORKERS) for claim in part]
    assert len(taken) == len({claim.job_id for claim in taken}) == JOBS
    assert {claim.attempt for claim in taken} == {1}
    counts = Counter(row.state for row in live_farm.rows("SELECT state FROM jobs"))
    assert counts == {"running": JOBS}
    owners = {row.id: row.worker_id for row in live_farm.rows("SELECT id, worker_id FROM jobs")}
    assert all(owners[claim.job_id] == claim.worker_id for claim in taken)


def test_a_message_delivered_to_many_is_taken_by_one(database_url, live_farm, everybody):
    numbers = live_farm.jobs(20)

    def work(store, number):
        hand = everybody[number]
        return [
            claim
            for job_id in numbers
            for claim in store.claims.claim(hand.id, hand.offer, job_id=job_id, lease=60)
        ]

    taken = [claim for part in together(database_url, work, WORKERS) for claim in part]
    assert sorted(claim.job_id for claim in taken) == numbers


def test_whole_lives_side_by_side(database_url, live_farm, everybody, finish):
    numbers = live_farm.jobs(200, limit=10)

    def work(store, number):
        hand = everybody[number]
        done = 0
        while claims := store.claims.claim(hand.id, hand.offer, limit=7, lease=60):
            assert not store.leases.renew(hand.id, claims, lease=60).lost
            unlucky, rest = claims[:1], claims[1:]
            if done % 2:
                store.completion.release(unlucky)
            else:
                failed = [Failed(c, Failure.ERROR, "unlucky", retry=True) for c in unlucky]
                assert set(store.completion.fail(failed, backoff=lambda _: 0.0)) == {
                    unlucky[0].job_id
                }
            results = [finish(claim) for claim in rest]
            assert store.completion.succeed(results, publish=lambda _: None) == {}
            done += 1
            if done > 20:
                # Finish the remaining jobs.
                last = store.claims.claim(hand.id, hand.offer, limit=7, lease=60)
                assert (
                    store.completion.succeed([finish(c) for c in last], publish=lambda _: None)
                    == {}
                )
        return done

    together(database_url, work, 4)
    counts = Counter(row.state for row in live_farm.rows("SELECT state FROM jobs"))
    assert set(counts) <= {"succeeded", "failed"}
    assert sum(counts.values()) == len(numbers)
    outcomes = Counter(row.outcome for row in live_farm.rows("SELECT outcome FROM attempts"))
    assert outcomes["succeeded"] == counts["succeeded"]
    assert outcomes["running"] == 0


def test_an_expired_lease_is_handled_once(database_url, live_farm, everybody):
    numbers = live_farm.jobs(60)
    live_farm.claim(everybody[0], limit=60, lease=-1)

    def work(store, _number):
        return store.leases.expire(backoff=lambda _: 0.0)

    expired = [each for part in together(database_url, work, 4) for each in part]
    assert sorted(each.job_id for each in expired) == numbers
    assert {each.state for each in expired} == {State.QUEUED}
    assert {len(live_farm.tries(number)) for number in numbers} == {1}


def test_cancel_racing_claims_leaves_nothing_between(database_url, live_farm, everybody):
    numbers = live_farm.jobs(120)

    def work(store, number):
        if number == 0:
            done = [store.control.cancel([job_id]) for job_id in numbers]
            return Counter(stopped=sum(d.stopped for d in done), asked=sum(d.asked for d in done))
        hand, taken = everybody[number], 0
        while claims := store.claims.claim(hand.id, hand.offer, limit=3, lease=60):
            taken += len(claims)
        return Counter(taken=taken)

    total = sum(together(database_url, work, 4), Counter())
    rows = live_farm.rows("SELECT state, cancel_requested FROM jobs")
    found = Counter((row.state, bool(row.cancel_requested)) for row in rows)
    # Each job was either cancelled before it was claimed, or claimed and then asked to stop.
    assert found == +Counter(
        {("cancelled", False): total["stopped"], ("running", True): total["asked"]}
    )
    assert total["taken"] == total["asked"]
