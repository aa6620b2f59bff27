"""What a job's motion is like: written with its success, shared with it, and gone with it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jobs.domain.attempts import Failed, MotionQuality
from jobs.domain.states import Failure, State
from jobs.store.motions import to_quality

GOOD = MotionQuality(skate_mm=1.25, penetration_mm=0.5, jitter=82.0)
#: Of a motion whose feet never touch the ground.
JUMP = MotionQuality(skate_mm=None, penetration_mm=0.0, jitter=310.5)


def done(farm, finish, number, quality):
    """Claims a job and ends it with a motion of this quality."""
    (claim,) = farm.claim(farm.worker(), job_id=number)
    result = replace(finish(claim), quality=quality)
    assert farm.store.completion.succeed([result], publish=lambda _: None) == {}


@pytest.fixture
def made(farm, finish):
    """Ids of two finished jobs: GOOD, JUMP."""
    numbers = farm.jobs(2)
    for number, quality in zip(numbers, (GOOD, JUMP), strict=True):
        done(farm, finish, number, quality)
    return numbers


def test_a_success_brings_its_quality(farm, made):
    for number, quality in zip(made, (GOOD, JUMP), strict=True):
        (attempt,) = farm.tries(number)
        assert to_quality(farm.job(number)) == to_quality(attempt) == quality


def test_a_job_that_is_measured_by_nobody_has_none(farm):
    (number,) = farm.jobs(1)
    farm.succeed(farm.claim(farm.worker()))
    assert to_quality(farm.job(number)) == to_quality(farm.tries(number)[0]) == MotionQuality()


def test_a_job_that_is_made_again_has_none_until_it_is(farm, finish, made):
    first, _ = made
    farm.store.control.retry([first], states={State.SUCCEEDED}, max_attempts=3, force=True)
    assert to_quality(farm.job(first)) == MotionQuality(), "its files are gone too"
    (claim,) = farm.claim(farm.worker(), job_id=first)
    assert to_quality(farm.job(first)) == MotionQuality()
    farm.store.completion.fail([Failed(claim, Failure.ERROR, "x")], backoff=lambda _: 0.0)
    assert to_quality(farm.job(first)) == MotionQuality()
    done(farm, finish, first, JUMP)
    assert to_quality(farm.job(first)) == JUMP
    assert [to_quality(each) for each in farm.tries(first)] == [GOOD, MotionQuality(), JUMP]


def test_a_claim_takes_what_an_earlier_program_left(farm):
    (number,) = farm.jobs(1)
    with farm.store.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE jobs SET skate_mm = 1, penetration_mm = 2, jitter = 3")
    farm.claim(farm.worker(), job_id=number)
    assert to_quality(farm.job(number)) == MotionQuality()


def test_a_cached_job_has_the_quality_of_the_motion_that_it_shares(farm, made, make_job):
    first, second = made
    new = [
        make_job("a", cached_from=first),
        make_job("fresh"),
        make_job("b", cached_from=second),
        make_job("c", cached_from=first),
    ]
    farm.insert(*new, batch="later")
    rows = farm.rows("SELECT * FROM jobs WHERE id > :last ORDER BY id", last=second)
    assert [to_quality(row) for row in rows] == [GOOD, MotionQuality(), JUMP, GOOD]
    farm.insert(make_job("d", cached_from=rows[2].id), batch="last")
    assert to_quality(farm.rows("SELECT * FROM jobs WHERE custom_id = 'd'")[0]) == JUMP
    assert not farm.tries(rows[0].id), "nobody worked on it"
