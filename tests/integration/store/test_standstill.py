"""The reason why a batch makes no progress, as `hymo watch` shows it."""

from __future__ import annotations

from jobs.domain.attempts import Failed
from jobs.domain.states import Failure
from jobs.monitoring.waiting import standstill


def why(farm):
    return standstill(farm.store, farm.batch(), alive=60)


def test_the_commonest_reason_is_told(farm):
    farm.jobs(2, gib=8)
    assert why(farm) == "no worker fits: needs 8 GiB full; no worker is live"
    farm.jobs(3, gib=48)
    farm.worker(gib=24)
    assert why(farm) == "no worker fits: needs 48 GiB full; largest live: 24 GiB"
    farm.store.workers.declare(farm.card(farm.offer("rack7", gib=80)))
    assert why(farm) == "waits for declared worker rack7, which is not up"
    farm.store.batches.pause("night")
    assert why(farm) == "batch night is paused: `hymo resume night`"


def test_nothing_is_wrong_with_a_batch_that_waits_its_turn(farm):
    assert why(farm) is None
    farm.jobs(3)
    farm.worker()
    assert why(farm) is None


def test_other_batches_do_not_count(farm):
    farm.jobs(1)
    farm.jobs(5, batch="day", gib=80)
    farm.worker(gib=24)
    assert why(farm) is None


def test_a_wait_for_the_next_attempt_tells_the_error(farm, clock):
    farm.jobs(2)
    claims = farm.claim(farm.worker(), limit=2)
    text = "SaveError: the disk is full\nTraceback …"
    farm.store.completion.fail(
        [Failed(claim, Failure.ERROR, text) for claim in claims], backoff=lambda _: 5.0
    )
    clock.tick(1)
    assert why(farm) == "next attempt in 4 s after SaveError: the disk is full"
    clock.tick(5)
    assert why(farm) is None
