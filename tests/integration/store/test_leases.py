"""Leases: renewed by their worker, expired without renewal."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jobs.domain.attempts import Expired
from jobs.domain.states import State
from jobs.store.base import CHUNK


def at_once(_number):
    return 0.0


def test_renewing_extends_from_now(farm, clock):
    numbers = farm.jobs(2)
    worker = farm.worker()
    claims = farm.claim(worker, limit=2, lease=60)
    clock.tick(50)
    found = farm.store.leases.renew(worker.id, claims, lease=60)
    assert (found.lost, found.cancelled) == (frozenset(), frozenset())
    assert {farm.job(n).lease_until for n in numbers} == {clock() + 60}
    clock.tick(59)
    assert farm.store.leases.expire(backoff=at_once) == []


def test_renewal_tells_what_was_lost_and_what_shall_stop(farm):
    kept, lost, unwanted = farm.jobs(3)
    worker = farm.worker()
    claims = farm.claim(worker, limit=3)
    stale = [replace(c, attempt=c.attempt + 1) if c.job_id == lost else c for c in claims]
    farm.store.control.cancel([unwanted])
    for found in (
        farm.store.leases.look(worker.id, stale),
        farm.store.leases.renew(worker.id, stale, lease=60),
    ):
        assert found.lost == {lost}
        assert found.cancelled == {unwanted}
    assert farm.store.leases.renew(worker.id + 1, claims, lease=60).lost == {kept, lost, unwanted}
    assert farm.store.leases.renew(worker.id, [], lease=60).lost == frozenset()
    assert farm.store.leases.look(worker.id, []).lost == frozenset()


def test_looking_renews_nothing(farm, clock):
    (number,) = farm.jobs(1)
    worker = farm.worker()
    claims = farm.claim(worker, lease=60)
    clock.tick(50)
    farm.store.leases.look(worker.id, claims)
    assert farm.job(number).lease_until == clock() + 10


def test_a_lease_that_ran_out_but_was_not_taken_lives_on(farm, clock):
    (number,) = farm.jobs(1)
    worker = farm.worker()
    claims = farm.claim(worker, lease=10)
    clock.tick(11)
    assert farm.store.leases.renew(worker.id, claims, lease=10).lost == frozenset()
    assert farm.store.leases.expire(backoff=at_once) == []
    assert farm.job(number).state == "running"


def test_an_expired_lease_tells_its_story(farm, clock):
    (number,) = farm.jobs(1)
    farm.claim(farm.worker("rack1:cuda:0"), lease=10)
    clock.tick(10)
    assert farm.store.leases.expire(backoff=at_once) == []
    clock.tick(2.5)
    found = farm.store.leases.expire(backoff=lambda n: 7.0 * n)
    assert found == [Expired(number, "rack1:cuda:0", 1, State.QUEUED)]
    row, (attempt,) = farm.job(number), farm.tries(number)
    assert (row.state, row.not_before, row.published_at) == ("queued", clock() + 7, None)
    assert (row.worker_id, row.lease_until) == (None, None)
    assert (attempt.outcome, attempt.failure) == ("failed", "lost")
    assert attempt.finished_at == clock()
    assert "rack1:cuda:0 (A10)" in attempt.error
    assert "2.5 s" in attempt.error
    assert farm.store.leases.expire(backoff=at_once) == []


def test_a_job_that_kills_its_workers_ends_as_failed(farm, clock):
    (number,) = farm.jobs(1, limit=3)
    states = []
    for turn in range(3):
        assert farm.claim(farm.worker(f"w{turn}"), lease=10)
        clock.tick(11)
        states += [e.state for e in farm.store.leases.expire(backoff=at_once)]
    assert states == [State.QUEUED, State.QUEUED, State.FAILED]
    row = farm.job(number)
    assert (row.state, row.failure) == ("failed", "lost")
    assert [t.worker_name for t in farm.tries(number)] == ["w0", "w1", "w2"]
    assert farm.claim(farm.worker()) == []


def test_all_expired_leases_end_in_one_go(farm, clock):
    """A fleet that lost its power: more leases than one transaction ends."""
    numbers = farm.jobs(CHUNK + 200)
    assert len(farm.claim(farm.worker(), limit=len(numbers), lease=10)) == len(numbers)
    clock.tick(11)
    assert [each.job_id for each in farm.store.leases.expire()] == numbers
    assert farm.store.leases.left() is None


def test_a_job_lost_with_its_worker_does_not_wait(farm, clock):
    farm.jobs(2)
    gone, hung = farm.worker("gone"), farm.worker("hung")
    farm.claim(gone)
    farm.claim(hung, lease=10)
    assert farm.store.leases.left() == 10
    farm.store.leases.expire_worker(gone.id, "worker process 7 ended with code -9")
    clock.tick(11)
    farm.store.leases.expire()
    assert len(farm.claim(farm.worker("next"), limit=2)) == 2


def test_a_worker_known_to_be_gone_loses_its_leases_at_once(farm, clock):
    mine, other = farm.jobs(2)
    gone, there = farm.worker("gone"), farm.worker("there")
    farm.claim(gone, job_id=mine)
    farm.claim(there, job_id=other)
    found = farm.store.leases.expire_worker(gone.id, "worker process 7 ended with code -9",
                                           backoff=lambda n: 7.0 * n)  # fmt: skip
    assert found == [Expired(mine, "gone", 1, State.QUEUED)]
    row, (attempt,) = farm.job(mine), farm.tries(mine)
    assert (row.state, row.not_before, row.published_at) == ("queued", clock() + 7, None)
    assert (row.worker_id, row.lease_until) == (None, None)
    assert (attempt.outcome, attempt.failure) == ("failed", "lost")
    assert attempt.error == "worker process 7 ended with code -9"
    assert farm.job(other).state == "running"
    assert farm.store.leases.expire_worker(gone.id, "again", backoff=at_once) == []


def test_jobs_of_a_worker_ended_on_purpose_go_back_untouched(farm):
    (number,) = farm.jobs(1, limit=1)
    worker = farm.worker()
    claims = farm.claim(worker)
    found = farm.store.leases.expire_worker(worker.id, None, backoff=at_once)
    assert found == [Expired(number, "w", 1, State.QUEUED)]
    (attempt,) = farm.tries(number)
    assert (attempt.outcome, attempt.failure) == ("released", None)
    assert farm.succeed(claims) != {}, "what the process may still bring is refused"
    assert farm.claim(farm.worker("next")), "the attempt did not count"


def test_a_cancelled_job_of_a_worker_that_is_gone_ends(farm):
    numbers = farm.jobs(2)
    worker = farm.worker()
    farm.claim(worker, limit=2)
    farm.store.control.cancel(numbers)
    farm.store.leases.expire_worker(worker.id, "gone", backoff=at_once)
    assert {farm.job(number).state for number in numbers} == {"cancelled"}


def take_away(farm, worker, way, clock):
    """End the worker's attempts from outside, as expired or as those of a process that ended."""
    if way == "expire":
        clock.tick(61)
        return farm.store.leases.expire(backoff=at_once)
    return farm.store.leases.expire_worker(worker.id, "worker process 7 ended", backoff=at_once)


@pytest.mark.parametrize("way", ["expire", "expire_worker"])
def test_only_jobs_whose_sampling_began_count_an_attempt(farm, clock, way):
    numbers = farm.jobs(4, limit=1)
    sampled, ahead, unwanted, _ = numbers
    worker = farm.worker()
    claims = farm.claim(worker, limit=4, begin=False)
    assert all(farm.tries(number)[0].sampling_at is None for number in numbers)
    farm.store.claims.begin([claims[0], claims[3]])
    farm.store.control.cancel([unwanted])
    states = {each.job_id: each.state for each in take_away(farm, worker, way, clock)}
    assert [states[n] for n in numbers] == ["failed", "queued", "cancelled", "failed"]
    assert (farm.tries(sampled)[0].outcome, farm.tries(sampled)[0].failure) == ("failed", "lost")
    (attempt,) = farm.tries(ahead)
    assert (attempt.outcome, attempt.failure) == ("released", None)
    assert attempt.error.startswith("worker ")
    assert not farm.job(ahead).suspect
    assert farm.tries(unwanted)[0].outcome == "cancelled"
    (again,) = farm.claim(farm.worker("next"), limit=4)
    assert (again.job_id, again.attempt, again.suspect) == (ahead, 2, False)


def test_beginning_is_recorded_once_for_what_still_holds(farm, clock):
    kept, lost, unwanted = farm.jobs(3)
    worker = farm.worker()
    claims = farm.claim(worker, limit=3, begin=False)
    stale = [replace(c, attempt=c.attempt + 1) if c.job_id == lost else c for c in claims]
    farm.store.control.cancel([unwanted])
    clock.tick(5)
    begun = clock()
    for _ in range(2):
        found = farm.store.claims.begin(stale)
        assert (found.lost, found.cancelled) == ({lost}, {unwanted})
        assert [farm.tries(n)[0].sampling_at for n in (kept, lost, unwanted)] == [begun, None, None]
        clock.tick(5)
    other = [replace(claim, worker_id=worker.id + 1) for claim in claims]
    assert farm.store.claims.begin(other).lost == {kept, lost, unwanted}
    assert farm.store.claims.begin([]).lost == frozenset()
