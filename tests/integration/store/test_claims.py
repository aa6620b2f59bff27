"""Claims: which jobs a worker gets, in which order, and how many at once."""

from __future__ import annotations

import itertools

import pytest
from sqlalchemy import text

from jobs.domain.attempts import Failed
from jobs.domain.memory import GIB
from jobs.domain.routing import Demand, Reach, fits
from jobs.domain.states import SUSPECT, Failure
from jobs.errors import NotFoundError


def test_head_is_by_priority_then_class_then_age(farm, make_job):
    farm.insert(
        make_job("small", gib=4),
        make_job("big", gib=16),
        make_job("big-later", gib=16),
        make_job("urgent", gib=2, priority=5),
        make_job("later", gib=24, priority=-5),
    )
    worker = farm.worker()
    taken = [farm.claim(worker)[0].custom_id for _ in range(5)]
    assert taken == ["urgent", "big", "big-later", "small", "later"]
    assert farm.claim(worker) == []


def test_priority_counts_within_a_class_too(farm, make_job):
    farm.insert(*[make_job(f"p{n}", priority=n) for n in (0, 2, -1, 1)])
    worker = farm.worker()
    assert [claim.custom_id for claim in farm.claim(worker, limit=2)] == ["p2", "p1"]
    assert [claim.custom_id for claim in farm.claim(worker, limit=2)] == ["p0", "p-1"]


def test_a_claim_carries_all_that_the_work_needs(farm, clock, make_job):
    new = make_job("x", gib=8, prompt="jumps ☃", frames=42, seed=7, steps=9, guidance=2.5,
                   formats=("bvh", "npz"))  # fmt: skip
    ((number, queue),) = farm.insert(new).new
    clock.tick(12.5)
    (claim,) = farm.claim(farm.worker())
    assert queue == "hymo.full.8"
    assert claim.job_id == number
    assert (claim.batch, claim.output, claim.custom_id) == ("night", "/out", "x")
    assert (claim.prompt, claim.frames, claim.seed) == ("jumps ☃", 42, 7)
    assert (claim.mode, claim.steps, claim.guidance) == ("full", 9, 2.5)
    assert (claim.formats, claim.model, claim.revision) == (("bvh", "npz"), "tiny", "r1")
    assert (claim.gib, claim.attempt, claim.queue_s) == (8, 1, 12.5)
    row = farm.job(number)
    assert (row.state, row.lease_until, row.started_at) == ("running", clock() + 60, clock())
    assert (row.worker_name, row.card, row.queue_s) == ("w", "A10", 12.5)
    (attempt,) = farm.tries(number)
    assert (attempt.number, attempt.outcome, attempt.pack_size) == (1, "running", 1)
    assert (attempt.worker_name, attempt.card, attempt.queue_s) == ("w", "A10", 12.5)


def test_a_pack_is_alike_and_no_bigger_than_its_head(farm, make_job):
    farm.insert(
        make_job("head", gib=8, priority=1),
        make_job("bigger", gib=16),
        make_job("same", gib=8),
        make_job("smaller", gib=4),
        make_job("urgent", gib=2, priority=1),
        make_job("other-mode", gib=8, mode="lite"),
        make_job("other-model", gib=8, model="null"),
        make_job("other-steps", gib=8, steps=10),
        make_job("other-revision", gib=8, revision="r2"),
        make_job("other-guidance", gib=8, guidance=1.0),
    )
    pack = farm.claim(farm.worker(), limit=10)
    names = [claim.custom_id for claim in pack]
    assert names == ["head", "urgent", "same", "other-guidance", "smaller"]
    assert {row.pack_size for row in farm.rows("SELECT pack_size FROM attempts")} == {5}


def test_the_limit_may_depend_on_the_head(farm):
    farm.jobs(5, gib=8, frames=90)
    asked = []

    def limit(demand):
        asked.append(demand)
        return 3

    assert len(farm.claim(farm.worker(), limit=limit)) == 3
    assert [(d.model, d.mode, d.gib, d.frames) for d in asked] == [("tiny", "full", 8, 90)]


def test_the_job_of_a_message_waits_for_its_turn(farm):
    first, second, third = farm.jobs(3)
    pack = farm.claim(farm.worker(), job_id=third, limit=2)
    assert [claim.job_id for claim in pack] == [first, second]


def test_a_message_for_a_job_already_taken_claims_nothing(farm):
    first, _ = farm.jobs(2)
    worker = farm.worker()
    farm.claim(worker, job_id=first)
    assert farm.claim(worker, job_id=first, limit=5) == []
    assert farm.claim(worker, job_id=10_000) == []


@pytest.mark.parametrize(
    "offer",
    [
        {"gib": 7},
        {"memory_bytes": 8 * GIB - 1},
        {"modes": ("lite",)},
        {"modes": ()},
        {"models": ("null",)},
        {"models": ()},
        {"max_frames": {"full": 99}},
    ],
    ids=str,
)
def test_a_worker_takes_only_what_fits(farm, offer):
    (number,) = farm.jobs(1, gib=8, frames=100)
    unfit = farm.worker(**offer)
    assert farm.claim(unfit) == []
    assert farm.claim(unfit, job_id=number) == []
    assert farm.job(number).state == "queued"
    fit = farm.worker(gib=8, max_frames={"full": 100, "lite": 10})
    assert farm.claim(fit, job_id=number)


def order_of(farm, hand, *, limit=1):
    """The ids of a worker's packs, until nothing is left."""
    after, found = {}, []
    while pack := farm.claim(hand, limit=limit, after=after):
        after.pop(pack[0].priority, None)
        after[pack[0].priority] = pack[0].batch_id
        found.append([claim.custom_id for claim in pack])
    return found


def test_batches_of_one_priority_take_turns(farm, make_job):
    farm.insert(*[make_job(f"a{n}", gib=24) for n in range(5)], batch="huge")
    farm.insert(*[make_job(f"b{n}", gib=4) for n in range(2)], batch="small")
    farm.insert(make_job("c0", gib=8), batch="third")
    found = order_of(farm, farm.worker(), limit=2)
    assert found == [["a0", "a1"], ["b0", "b1"], ["c0"], ["a2", "a3"], ["a4"]]


def test_a_pack_is_of_its_own_batch_first_and_then_of_others(farm, make_job):
    farm.insert(make_job("a0"), make_job("a-low", priority=-1), batch="first")
    farm.insert(make_job("b0", gib=4), make_job("b1", gib=8), make_job("b2", gib=12), batch="next")
    farm.insert(make_job("c0", gib=4), batch="third")
    hand = farm.worker()
    pack = farm.claim(hand, limit=9, after={0: farm.batch("next").id})
    assert [c.custom_id for c in pack] == ["c0", "b0"], "none is larger than the head"
    start_over(farm)
    pack = farm.claim(hand, limit=9, after={0: farm.batch("first").id})
    assert [c.custom_id for c in pack] == ["b2", "b1", "b0", "a0", "c0", "a-low"]


def test_a_turn_passes_by_no_higher_priority(farm, make_job):
    farm.insert(make_job("a0"), make_job("a1", priority=1), batch="first")
    farm.insert(make_job("b0"), make_job("b1", priority=2), batch="next")
    assert order_of(farm, farm.worker()) == [["b1"], ["a1"], ["a0"], ["b0"]]


def test_urgent_jobs_between_leave_the_turn_of_the_others(farm, make_job):
    farm.jobs(4, batch="huge")
    farm.jobs(2, batch="small")
    hand, after, found = farm.worker(), {}, []
    for number in range(3):
        farm.insert(make_job(f"urgent{number}", priority=9), batch="urgent")
        for _ in range(2):
            (claim,) = farm.claim(hand, after=after)
            after.pop(claim.priority, None)
            after[claim.priority] = claim.batch_id
            found.append(claim.batch)
    assert found == ["urgent", "huge", "urgent", "small", "urgent", "huge"]


def test_who_cannot_be_claimed_misses_the_turn(farm, make_job):
    for name in ("paused", "large", "free", "last"):
        farm.insert(make_job(f"{name}0", gib=32 if name == "large" else 8), batch=name)
    farm.store.batches.pause("paused")
    assert order_of(farm, farm.worker()) == [["free0"], ["last0"]]


def test_the_turn_of_one_worker_is_not_that_of_another(farm):
    farm.jobs(4, batch="first")
    farm.jobs(4, batch="next")
    hands = [farm.worker("a"), farm.worker("b")]
    found = [
        [claim.batch for claim in farm.claim(hand, after=after)]
        for after in ({}, {0: farm.batch("first").id})
        for hand in hands
    ]
    assert found == [["first"], ["first"], ["next"], ["next"]]


def start_over(farm):
    """Make every job queued and untried again."""
    with farm.store.engine.begin() as connection:
        back = "UPDATE jobs SET state = 'queued', lease_until = NULL, attempt = 0"
        connection.exec_driver_sql(back)
        connection.exec_driver_sql("DELETE FROM attempts")


def test_the_store_and_routing_agree_on_what_fits(farm, make_job):
    offers = [
        farm.worker(f"w{i}", modes=modes, models=models, gib=gib, max_frames=frames)
        for i, (modes, models, gib, frames) in enumerate(
            itertools.product(
                [("full",), ("lite", "full"), ()],
                [("tiny",), ("null", "tiny")],
                [4, 8],
                [{}, {"full": 60}, {"lite": 60}],
            )
        )
    ]
    kinds = itertools.product(["full", "lite"], ["tiny", "null"], [4, 6], [60, 61])
    new = [
        make_job(f"j{i}", mode=mode, model=model, gib=gib, frames=frames)
        for i, (mode, model, gib, frames) in enumerate(kinds)
    ]
    numbers = [number for number, _ in farm.insert(*new).new]
    for worker in offers:
        fit = {
            n
            for n, job in zip(numbers, new, strict=True)
            if fits(Demand(job.spec.model, job.mode, job.gib, job.spec.frames), worker.offer)
        }
        best = [farm.claim(worker) for _ in numbers]
        assert {c.job_id for claims in best for c in claims} == fit
        start_over(farm)


def test_what_does_not_fit_never_hides_what_does(farm, make_job):
    farm.insert(
        make_job("too-big", gib=32, priority=9),
        make_job("wrong-mode", gib=2, mode="full", priority=9),
        make_job("too-long", gib=2, mode="lite", frames=300, priority=9),
        make_job("mine", gib=2, mode="lite", frames=50),
    )
    small = farm.worker(modes=("lite",), gib=4, max_frames={"lite": 100})
    assert [claim.custom_id for claim in farm.claim(small, limit=9)] == ["mine"]


def test_not_before_is_kept_and_queue_time_counts_from_it(farm, clock):
    (number,) = farm.jobs(1)
    worker = farm.worker()
    (claim,) = farm.claim(worker)
    farm.store.completion.release([claim])
    with farm.store.engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE jobs SET not_before = {clock() + 10}")
    clock.tick(9.5)
    assert farm.claim(worker) == []
    assert farm.claim(worker, job_id=number) == []
    clock.tick(2.5)
    assert farm.claim(worker)[0].queue_s == 2.0


def test_a_paused_batch_is_left_alone(farm):
    (held,) = farm.jobs(1, batch="held", priority=5)
    (free,) = farm.jobs(1, batch="free")
    farm.store.batches.pause("held")
    worker = farm.worker()
    assert [claim.job_id for claim in farm.claim(worker, limit=5)] == [free]
    assert farm.claim(worker, job_id=held) == []
    farm.store.batches.resume("held")
    assert [claim.job_id for claim in farm.claim(worker, limit=5)] == [held]


def test_a_worker_must_be_registered(farm):
    farm.jobs(1)
    with pytest.raises(NotFoundError, match="register"):
        farm.store.claims.claim(99, farm.offer(), lease=60)


def test_a_clock_set_back_makes_no_negative_wait(farm, clock):
    farm.jobs(1)
    clock.tick(-100)
    # not_before is 0, so the job is claimable even if it was queued in the future.
    assert farm.claim(farm.worker())[0].queue_s == 0.0


def test_a_claim_that_read_the_clock_before_a_failure_keeps_the_back_off(farm, clock):
    """Its transaction may see a job that another one has queued again since."""
    farm.jobs(1)
    hand = farm.worker()
    failed = [Failed(claim, Failure.ERROR, "gone") for claim in farm.claim(hand)]
    farm.store.completion.fail(failed, backoff=lambda _: 5.0)
    clock.tick(-0.5)
    assert farm.claim(hand) == []
    clock.tick(-100)
    assert len(farm.claim(hand)) == 1, "the clock was set back"


def lose(farm, clock):
    """End every lease as lost."""
    clock.tick(1000)
    farm.store.leases.expire(backoff=lambda _: 0.0)


def packs_of(farm, hand, limit):
    found = []
    while pack := farm.claim(hand, limit=limit):
        found.append([claim.job_id for claim in pack])
    return found


def test_suspects_are_tried_again_in_small_packs_of_their_own(farm, clock):
    """A job that kills its worker fails its whole pack once, a pack of √n again, then alone."""
    ids = farm.jobs(12, limit=3)
    hand = farm.worker()
    assert len(farm.claim(hand, limit=10)) == 10
    lose(farm, clock)
    assert sorted(packs_of(farm, hand, 10)) == [ids[:4], ids[4:8], ids[8:10], ids[10:]]
    lose(farm, clock)
    # The last attempt of ten jobs, the second of two.
    assert sorted(packs_of(farm, hand, 10)) == [[each] for each in ids[:10]] + [ids[10:]]


def test_one_worker_tries_suspects_with_every_fourth_pack(farm, clock):
    bad = farm.jobs(2, priority=5)
    hand = farm.worker()
    assert len(farm.claim(hand, limit=2)) == 2
    lose(farm, clock)
    farm.store.workers.heartbeat(hand.id)
    good = farm.jobs(9)
    taken = [farm.claim(hand, packs=number)[0].job_id for number in range(5)]
    assert [each in good for each in taken] == [True, True, True, False, True]
    assert taken[3] in bad


@pytest.mark.parametrize(("workers", "trying"), [(2, 1), (4, 1), (8, 2)])
def test_a_quarter_of_the_workers_try_suspects_while_others_wait(farm, clock, workers, trying):
    bad = farm.jobs(20)
    first = farm.worker()
    assert len(farm.claim(first, limit=20)) == 20
    lose(farm, clock)
    farm.jobs(20)
    hands = [farm.worker() for _ in range(workers - 1)]
    farm.store.workers.heartbeat(first.id)
    taken = [farm.claim(hand)[0].job_id for hand in (first, *hands)]
    assert sum(each in bad for each in taken) == trying


def test_suspects_in_the_hand_of_a_dead_worker_hold_no_others_up(farm, clock):
    """It has not renewed its lease, which will last for a while."""
    bad = farm.jobs(20)
    first = farm.worker()
    assert len(farm.claim(first, limit=20)) == 20
    lose(farm, clock)
    farm.jobs(20)
    dead, *hands = [farm.worker() for _ in range(3)]
    assert farm.claim(dead, lease=90.0)[0].job_id in bad
    assert farm.claim(hands[0], lease=90.0)[0].job_id not in bad
    clock.tick(31)
    assert farm.claim(hands[0])[0].job_id not in bad, "it may renew late"
    clock.tick(16)
    assert farm.claim(hands[0])[0].job_id in bad
    assert farm.claim(hands[1])[0].job_id not in bad


def test_without_other_jobs_everybody_tries_suspects(farm, clock):
    farm.jobs(3)
    hands = [farm.worker() for _ in range(3)]
    assert len(farm.claim(hands[0], limit=3)) == 3
    lose(farm, clock)
    for hand in hands:
        farm.store.workers.heartbeat(hand.id)
        assert len(farm.claim(hand)) == 1


def test_a_suspect_stays_one_when_it_is_given_back(farm, clock):
    ids = farm.jobs(2)
    hand = farm.worker()
    farm.claim(hand, limit=2)
    lose(farm, clock)
    (claim, *_) = farm.claim(hand, limit=1)
    assert claim.suspect
    farm.store.completion.release([claim])
    suspects = farm.rows("SELECT id FROM jobs WHERE suspect = true ORDER BY id")
    assert [row[0] for row in suspects] == ids


def test_a_device_leaves_the_retry_of_what_it_failed_to_others(farm, clock):
    farm.jobs(1)
    hand = farm.worker()
    farm.claim(hand)
    lose(farm, clock)
    with farm.store.engine.begin() as connection:
        connection.execute(
            text("UPDATE jobs SET avoid = 'rack1 cuda:0', avoid_until = :until"),
            {"until": clock.time + 60},
        )
    assert farm.claim(hand) == []
    clock.tick(61)
    assert len(farm.claim(hand)) == 1


def test_what_a_worker_does_not_reach_is_left_to_others(farm):
    farm.jobs(1, batch="hidden")
    seen = farm.jobs(1, batch="seen")
    farm.jobs(1, batch="later")
    hand = farm.worker()
    reach = Reach(
        hidden=frozenset({farm.batch("hidden").id}), newest=farm.batch("seen").id,
        without=frozenset({("null", "lite")}),
    )  # fmt: skip
    for after in range(4):
        taken = farm.claim(hand, limit=9, reach=reach, after={0: after})
        assert [claim.job_id for claim in taken] == seen
        start_over(farm)


def test_an_engine_that_cannot_be_loaded_claims_nothing(farm):
    ids = farm.jobs(1)
    hand = farm.worker()
    reach = Reach(without=frozenset({("tiny", "full")}))
    assert farm.claim(hand, reach=reach) == farm.claim(hand, job_id=ids[0], reach=reach) == []


@pytest.mark.parametrize("failure", sorted(SUSPECT))
@pytest.mark.parametrize("by_message", [False, True])
def test_a_suspect_job_joins_no_other_jobs_pack(farm, make_job, failure, by_message):
    """A pack with a job in it that kills workers would be lost with it."""
    hand = farm.worker()
    farm.jobs(2)
    failed = [Failed(claim, failure, "gone") for claim in farm.claim(hand, limit=2)]
    farm.store.completion.fail(failed, backoff=lambda _: 0.0)
    new = farm.insert(make_job("urgent", priority=1), make_job("last", priority=-1)).new
    head = {"job_id": new[0][0]} if by_message else {}
    assert [claim.custom_id for claim in farm.claim(hand, limit=9, **head)] == ["urgent", "last"]


def test_jobs_without_a_revision_share_a_pack(farm):
    farm.jobs(3, revision="")
    assert len(farm.claim(farm.worker(), limit=9)) == 3


def test_a_mode_whose_weights_a_worker_lacks_is_left_to_others(farm, make_job):
    """It serves the mode, but for another model."""
    farm.insert(
        make_job("lacks", gib=8, mode="lite", model="tiny", priority=9),
        make_job("other-model", gib=8, mode="lite", model="null"),
        make_job("has", gib=8, mode="full", model="tiny"),
    )
    hand = farm.worker(revisions={"tiny": {"full": "r1"}})
    taken = [claim.custom_id for _ in range(3) for claim in farm.claim(hand)]
    assert sorted(taken) == ["has", "other-model"]
    assert farm.store.encoding.upcoming(hand.offer, "tiny", 9) == []


def test_an_urgent_head_is_packed_with_urgent_jobs_alone(farm):
    usual = farm.jobs(3, priority=99)
    urgent = farm.jobs(2, priority=100)
    more = farm.jobs(1, batch="other", priority=150)
    worker = farm.worker()
    assert [c.job_id for c in farm.claim(worker, limit=8)] == [*more, *urgent]
    assert [c.job_id for c in farm.claim(worker, limit=8)] == usual


def test_a_claim_of_urgent_jobs_leaves_the_others(farm):
    usual = farm.jobs(2, priority=99)
    worker = farm.worker()
    assert farm.claim(worker, limit=8, urgent=True, after={99: 1}) == []
    urgent = farm.jobs(1, priority=100)
    assert [c.job_id for c in farm.claim(worker, limit=8, urgent=True, after={99: 1})] == urgent
    assert farm.claim(worker, limit=8, urgent=True) == []
    assert [c.job_id for c in farm.claim(worker, limit=8)] == usual
