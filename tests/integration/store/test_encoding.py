"""Jobs that wait for their text: parking, claiming for encoding, and sampling afterwards."""

from __future__ import annotations

import pytest

from jobs.domain.attempts import Failed, Run, Timings
from jobs.domain.routing import TextDemand
from jobs.domain.states import Failure

TEXT = TextDemand(gib=20, revision="te-1")
MADE = Run(plan="staged", embedding="made", loads=1)


def waiting(farm, revision="te-1", n=100):
    return [each.job_id for each in farm.store.encoding.waiters("tiny", revision, n)]


def take(farm, hand, ids, *, revision="te-1", lease=60.0):
    return farm.store.encoding.claim_texts(hand.id, ids, revision=revision, lease=lease)


def test_what_waits_for_its_text_is_sampled_by_nobody(farm):
    first, second, third = farm.jobs(3)
    worker = farm.worker()
    assert farm.store.encoding.park([first, third, 999], TEXT) == 2
    assert farm.store.encoding.park([first], TEXT) == 0
    assert [c.job_id for c in farm.claim(worker, limit=9)] == [second]
    assert farm.claim(worker, job_id=first) == []
    assert waiting(farm) == [first, third]
    assert waiting(farm, "te-2") == []
    assert farm.store.encoding.crowd("tiny", "te-1", 9) == 2
    assert farm.store.encoding.crowd("tiny", "te-1", 1) == 1
    assert farm.store.encoding.crowd("null", "te-1", 9) == 0


def test_it_is_published_in_the_class_of_the_encoder_and_back(farm):
    (number,) = farm.jobs(1)
    delivery = farm.store.delivery
    delivery.mark_published([number])
    farm.store.encoding.park([number], TEXT)
    assert delivery.unpublished() == [(number, "hymo.encode.20")]
    delivery.mark_published([number])
    assert delivery.waiting() == {"hymo.encode.20": 1}
    assert delivery.oldest("hymo.encode.20", 5, older_than=-1) == [number]
    assert delivery.oldest("hymo.full.8", 5, older_than=-1) == []
    assert farm.store.encoding.unpark([number]) == 1
    assert delivery.unpublished() == [(number, "hymo.full.8")]
    assert farm.store.encoding.unpark([number]) == 0


def test_a_claimed_job_is_sent_to_wait_and_its_attempt_does_not_count(farm):
    (number,) = farm.jobs(1, limit=2)
    worker = farm.worker()
    for _ in range(5):
        (claim,) = farm.claim(worker)
        assert farm.store.encoding.send_back([claim], TEXT) == frozenset()
        assert waiting(farm) == [number]
        farm.store.encoding.unpark([number])
    assert farm.job(number).attempt_limit == 7
    assert {row.outcome for row in farm.tries(number)} == {"released"}
    assert farm.store.encoding.send_back([claim], TEXT) == {number}


def test_encoding_is_an_attempt_of_its_own_that_does_not_count(farm, clock):
    (number,) = farm.jobs(1, limit=1)
    encoder, sampler = farm.worker("a100"), farm.worker("v100")
    farm.store.encoding.park([number], TEXT)
    clock.tick(5)
    (claim,) = take(farm, encoder, [number])
    assert (claim.prompt, claim.queue_s) == ("a person waves j0", 5)
    assert waiting(farm) == []
    assert farm.claim(sampler) == []
    clock.tick(1)
    assert farm.store.encoding.encoded([claim], Timings(encode=0.5), MADE) == frozenset()
    (sampled,) = farm.claim(sampler)
    farm.succeed([sampled])
    first, second = farm.tries(number)
    assert (first.mode, first.outcome, first.encode_s) == ("encode", "encoded", 0.5)
    assert (first.plan, first.embedding, first.loads) == ("staged", "made", 1)
    assert (second.mode, second.outcome, second.worker_name) == ("full", "succeeded", "v100")
    assert farm.job(number).state == "succeeded"


def test_only_what_waits_for_this_encoder_is_claimed(farm):
    first, second, third = farm.jobs(3)
    worker = farm.worker()
    farm.store.encoding.park([first], TEXT)
    farm.store.encoding.park([second], TextDemand(gib=10, revision="te-1+int8"))
    assert [c.job_id for c in take(farm, worker, [first, second, third])] == [first]
    assert take(farm, worker, [first]) == []
    assert take(farm, worker, []) == []


def test_the_order_is_priority_then_age(farm):
    low = farm.jobs(2, priority=0)
    high = farm.jobs(1, priority=5)
    farm.store.encoding.park([*low, *high], TEXT)
    assert waiting(farm) == [*high, *low]
    assert waiting(farm, n=1) == high


def test_an_attempt_that_encodes_begins_at_once(farm, clock):
    (number,) = farm.jobs(1)
    farm.store.encoding.park([number], TEXT)
    take(farm, farm.worker(), [number])
    assert farm.tries(number)[0].sampling_at == clock()


@pytest.mark.parametrize("way", ["fail", "expire", "release"])
def test_a_job_whose_encoding_fails_goes_on_waiting_for_its_text(farm, clock, way):
    (number,) = farm.jobs(1, limit=2)
    worker = farm.worker()
    farm.store.encoding.park([number], TEXT)
    (claim,) = take(farm, worker, [number], lease=10.0)
    if way == "fail":
        failed = Failed(claim, Failure.ERROR, "no memory", run=MADE)
        farm.store.completion.fail([failed], backoff=lambda _: 20.0)
    elif way == "release":
        farm.store.completion.release([claim])
    else:
        clock.tick(11)
        farm.store.leases.expire(backoff=lambda _: 20.0)
    clock.tick(21)
    assert waiting(farm) == [number]
    assert farm.claim(worker) == []
    (again,) = take(farm, worker, [number])
    farm.store.completion.fail([Failed(again, Failure.ERROR, "x")], backoff=lambda _: 0.0)
    ended = farm.job(number).state == "failed"
    assert ended == (way != "release")


def test_a_lost_claim_sends_nothing_on(farm, clock):
    (number,) = farm.jobs(1)
    farm.store.encoding.park([number], TEXT)
    (claim,) = take(farm, farm.worker(), [number], lease=10.0)
    clock.tick(11)
    farm.store.leases.expire(backoff=lambda _: 0.0)
    assert farm.store.encoding.encoded([claim], Timings(), MADE) == {number}
    assert waiting(farm) == [number]


def test_a_job_cancelled_while_it_is_encoded_ends(farm):
    (number,) = farm.jobs(1)
    farm.store.encoding.park([number], TEXT)
    (claim,) = take(farm, farm.worker(), [number])
    farm.store.control.cancel([number])
    farm.store.encoding.encoded([claim], Timings(), MADE)
    assert farm.job(number).state == "cancelled"
    farm.store.control.retry([number], max_attempts=1)
    assert farm.job(number).encode_gib is None


def test_a_job_that_is_tried_again_waits_for_no_encoder_of_before(farm):
    cancelled, failed = farm.jobs(2, limit=1)
    worker = farm.worker()
    farm.store.encoding.park([cancelled, failed], TEXT)
    (claim,) = take(farm, worker, [failed])
    farm.store.completion.fail([Failed(claim, Failure.ERROR, "x")], backoff=lambda _: 0.0)
    farm.store.control.cancel([cancelled])
    assert farm.store.control.retry([cancelled, failed], max_attempts=1) == 2
    assert waiting(farm) == []
    assert {queue for _, queue in farm.store.delivery.unpublished()} == {"hymo.full.8"}
    assert [c.job_id for c in farm.claim(worker, limit=9)] == [cancelled, failed]


def test_paused_and_cancelled_jobs_do_not_wait(farm):
    first, second = farm.jobs(2)
    farm.jobs(1, batch="other")
    farm.store.encoding.park([first, second], TEXT)
    farm.store.control.cancel([first])
    assert waiting(farm) == [second]
    farm.store.batches.pause("night")
    assert waiting(farm) == []


def test_what_comes_next_is_what_the_offer_takes(farm):
    first, _ = farm.jobs(1, gib=8)[0], farm.jobs(1, gib=32)
    (high,) = farm.jobs(1, priority=3)
    other = farm.jobs(1, model="null")
    worker = farm.worker()
    assert [w.job_id for w in farm.store.encoding.upcoming(worker.offer, "tiny", 9)] == [
        high,
        first,
    ]
    assert [w.job_id for w in farm.store.encoding.upcoming(worker.offer, "tiny", 1)] == [high]
    farm.store.encoding.park([high], TEXT)
    assert [w.job_id for w in farm.store.encoding.upcoming(worker.offer, "tiny", 9)] == [first]
    assert [w.job_id for w in farm.store.encoding.upcoming(worker.offer, "null", 9)] == other


def test_texts_of_batches_are_encoded_in_turn(farm):
    huge, small = farm.jobs(4, batch="huge"), farm.jobs(2, batch="small")
    urgent = farm.jobs(1, batch="huge", priority=1)
    farm.store.encoding.park([*huge, *small, *urgent], TEXT)
    first, second = farm.batch("huge").id, farm.batch("small").id

    def waiters(after, n):
        found = farm.store.encoding.waiters("tiny", "te-1", n, after=after)
        return [each.job_id for each in found]

    assert waiters(0, 9) == waiters(second, 9) == [*urgent, *huge, *small]
    farm.store.encoding.unpark(urgent)
    assert waiters(first, 9) == [*small, *huge]
    assert waiters(first, 3) == [*small, *huge[:1]]
    assert [each.batch_id for each in farm.store.encoding.waiters("tiny", "te-1", 1)] == [first]


def test_what_comes_next_begins_with_the_next_turn(farm):
    huge, small = farm.jobs(4, batch="huge"), farm.jobs(2, batch="small", gib=4)
    offer = farm.worker().offer

    def upcoming(after, n):
        return [w.job_id for w in farm.store.encoding.upcoming(offer, "tiny", n, after=after)]

    assert upcoming({}, 9) == [*huge, *small]
    assert upcoming({0: farm.batch("huge").id}, 9) == [*small, *huge]
    assert upcoming({0: farm.batch("huge").id}, 3) == [*small, *huge[:1]]


def test_other_weights_of_a_model_are_not_taken(farm):
    (old,) = farm.jobs(1, revision="st-old")
    (new,) = farm.jobs(1, revision="st-new")
    worker = farm.worker(revisions={"tiny": {"full": "st-new"}})
    assert [c.job_id for c in farm.claim(worker, limit=9)] == [new]
    farm.jobs(1, mode="lite", revision="st-new")
    assert farm.claim(worker) == []
    assert [c.job_id for c in farm.claim(farm.worker("any"), limit=1)] == [old]


def test_suspects_are_encoded_apart_from_the_others_and_at_last_alone(farm, clock):
    """A text that kills its worker costs its companions no attempt after the second."""
    bad, worker = farm.jobs(10, limit=3), farm.worker()
    farm.store.encoding.park(bad, TEXT)
    assert len(take(farm, worker, bad)) == 10
    clock.tick(61)
    farm.store.leases.expire()
    good = farm.jobs(3, limit=3)
    farm.store.encoding.park(good, TEXT)
    every = sorted([*bad, *good])
    assert [c.job_id for c in take(farm, worker, every)] == good
    assert [c.job_id for c in take(farm, worker, every)] == bad[:4], "⌈√13⌉"
    clock.tick(61)
    farm.store.leases.expire()
    farm.store.completion.cancelled(take(farm, worker, good))
    assert [c.job_id for c in take(farm, worker, bad)] == bad[4:8], "others than the last tries"
    assert [c.job_id for c in take(farm, worker, bad)] == bad[8:]
    rest = [[c.job_id for c in take(farm, worker, bad)] for _ in range(4)]
    assert rest == [[each] for each in bad[:4]]
