"""Cancelling and retrying jobs on request."""

from __future__ import annotations

import pytest

from jobs.domain.attempts import Failed
from jobs.domain.batches import Cancelled, Prioritised
from jobs.domain.states import Failure, State


@pytest.fixture
def mixed(farm):
    """One job in each state, by state."""
    claimed = (State.RUNNING, State.SUCCEEDED, State.FAILED)
    numbers = dict(zip((*claimed, State.QUEUED, State.CANCELLED), farm.jobs(5), strict=True))
    worker = farm.worker()
    for state in claimed:
        (claim,) = farm.claim(worker)
        if state is State.SUCCEEDED:
            farm.succeed([claim])
        if state is State.FAILED:
            failed = Failed(claim, Failure.NUMERICS, "NaN", retry=False)
            farm.store.completion.fail([failed], backoff=lambda _: 0.0)
    farm.store.control.cancel([numbers[State.CANCELLED]])
    assert {s: farm.job(n).state for s, n in numbers.items()} == {s: s.value for s in State}
    return numbers


@pytest.mark.parametrize("by_batch", [True, False])
def test_cancel(farm, clock, mixed, by_batch):
    other = farm.jobs(1, batch="other")
    clock.tick(5)
    if by_batch:
        done = farm.store.control.cancel(batch_id=farm.batch().id)
    else:
        done = farm.store.control.cancel([*mixed.values(), 999, mixed[State.QUEUED]])
    assert done == Cancelled(stopped=1, asked=1, finished=3)
    queued, running = farm.job(mixed[State.QUEUED]), farm.job(mixed[State.RUNNING])
    assert (queued.state, queued.finished_at) == ("cancelled", clock())
    assert (running.state, running.cancel_requested) == ("running", True)
    assert farm.job(mixed[State.SUCCEEDED]).state == "succeeded"
    assert farm.job(other[0]).state == "queued"


def test_cancel_of_nothing(farm, mixed):
    assert farm.store.control.cancel([]) == Cancelled(0, 0, 0)
    assert farm.store.control.cancel() == Cancelled(0, 0, 0)


@pytest.mark.parametrize("by_batch", [True, False])
def test_priority_of_queued_jobs_decides_who_is_next(farm, mixed, by_batch):
    (first, last) = farm.jobs(2)
    if by_batch:
        assert farm.store.control.prioritise(5, [last]).changed == 1
        done = farm.store.control.prioritise(5, batch_id=farm.batch().id)
    else:
        done = farm.store.control.prioritise(5, [*mixed.values(), first, last, 999])
    assert done == Prioritised(
        changed=2 if by_batch else 3,
        same=1 if by_batch else 0,
        left={state: 1 for state in State if state is not State.QUEUED},
        named=tuple(
            (number, state) for state, number in mixed.items() if state is not State.QUEUED
        ),
    )
    assert farm.store.control.prioritise(9, [last]).changed == 1
    (claim,) = farm.claim(farm.worker("other"))
    assert claim.job_id == last
    assert farm.job(mixed[State.RUNNING]).priority == 0
    # What the row asked for is kept, however often the priority is changed.
    assert (farm.job(last).priority, farm.job(last).row_priority) == (9, 0)


def test_retry_takes_failed_and_cancelled_jobs(farm, clock, mixed):
    clock.tick(5)
    assert farm.store.control.retry(batch_id=farm.batch().id, max_attempts=2) == 2
    row = farm.job(mixed[State.FAILED])
    assert (row.state, row.attempt, row.attempt_limit) == ("queued", 1, 3)
    assert (row.queued_at, row.finished_at, row.published_at) == (clock(), None, None)
    assert (row.failure, row.error, row.worker_id) == (None, None, None)
    row = farm.job(mixed[State.CANCELLED])
    assert (row.state, row.attempt_limit) == ("queued", 2)
    assert [farm.job(mixed[s]).state for s in (State.SUCCEEDED, State.RUNNING)] == [
        "succeeded",
        "running",
    ]
    taken = farm.claim(farm.worker("again"), limit=9)
    assert sorted(claim.attempt for claim in taken) == [1, 1, 2]


def test_retry_of_chosen_states_and_failures(farm, mixed):
    control, batch = farm.store.control, farm.batch().id
    wrong = control.retry(batch_id=batch, failure=Failure.LOST, max_attempts=1)
    assert wrong == 0
    assert control.retry([mixed[State.CANCELLED]], states={State.FAILED}, max_attempts=1) == 0
    assert control.retry(batch_id=batch, failure=Failure.NUMERICS, max_attempts=1) == 1
    assert farm.job(mixed[State.FAILED]).state == "queued"
    assert farm.job(mixed[State.CANCELLED]).state == "cancelled"


def test_retry_of_succeeded_jobs_wants_force(farm, mixed):
    number = mixed[State.SUCCEEDED]
    states = {State.SUCCEEDED}
    assert farm.store.control.retry([number], states=states, max_attempts=1) == 0
    assert farm.files(number)
    assert farm.store.control.retry([number], states=states, max_attempts=1, force=True) == 1
    assert farm.files(number) == []
    assert farm.job(number).state == "queued"


def test_retry_never_touches_what_is_queued_or_running(farm, mixed):
    everything = set(State)
    control = farm.store.control
    assert control.retry(list(mixed.values()), states=everything, max_attempts=1, force=True) == 3
    assert farm.job(mixed[State.RUNNING]).state == "running"
    assert farm.job(mixed[State.QUEUED]).attempt_limit == 3


def test_a_retry_waits_for_nothing(farm, clock):
    (number,) = farm.jobs(1)
    (claim,) = farm.claim(farm.worker())
    failed = Failed(claim, Failure.ERROR, "x")
    farm.store.completion.fail([failed], backoff=lambda _: 300.0)
    farm.store.control.cancel([number])
    farm.store.control.retry([number], max_attempts=1)
    assert farm.claim(farm.worker())[0].job_id == number


def test_a_retried_job_that_was_asked_to_cancel_runs(farm, mixed):
    number = mixed[State.CANCELLED]
    farm.store.control.retry([number], max_attempts=1)
    assert farm.claim(farm.worker(), job_id=number)


def test_more_jobs_than_fit_one_statement(farm, make_job):
    numbers = []
    for part in range(3):
        new = [make_job(f"m{part}-{i}") for i in range(900)]
        numbers += [number for number, _ in farm.insert(*new).new]
    assert farm.store.control.cancel(numbers) == Cancelled(stopped=2700, asked=0, finished=0)
    assert farm.store.control.retry(batch_id=farm.batch().id, max_attempts=1) == 2700
    assert farm.store.control.cancel(batch_id=farm.batch().id).stopped == 2700
