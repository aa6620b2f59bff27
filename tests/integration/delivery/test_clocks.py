"""Clocks that are set, hosts that sleep, databases that are away: no living worker loses its jobs,
and no job stands still."""

from __future__ import annotations

import pytest

from jobs.delivery.clock_check import ClockCheck
from jobs.domain.attempts import Failed
from jobs.domain.states import Failure
from jobs.settings import Settings
from tests.conftest import Ticker

from .conftest import OFFER, Scene

pytestmark = pytest.mark.redis
HOUR = 3600.0


def running(scene: Scene) -> int:
    return scene.store.batches.counts(scene.batch.id).get("running", 0)


def test_a_clock_set_back_holds_no_job_of_a_dead_worker(scene: Scene) -> None:
    scene.add(3)
    scene.live(20)
    scene.claim(3)
    scene.clock.tick(-HOUR)
    scene.live(scene.settings.lease + 16)
    assert running(scene) == 0


def test_a_clock_set_back_takes_no_job_of_a_living_worker(scene: Scene) -> None:
    scene.add(3)
    scene.live(20)
    claims = scene.claim(3)
    scene.clock.tick(-HOUR)
    for _ in range(20):
        scene.live(15)
        assert not scene.store.leases.renew(scene.worker_id, claims, lease=90).lost
    assert running(scene) == 3


def test_leases_of_other_lengths_keep_theirs(scene: Scene) -> None:
    scene.add(1)
    scene.store.claims.claim(scene.worker_id, OFFER, lease=1000)
    scene.clock.tick(-HOUR)
    scene.reconciler.round()
    left = scene.store.leases.left()
    assert left is not None
    assert left == pytest.approx(1000, abs=0.01)


@pytest.mark.parametrize("seconds", [HOUR, 200.0])
def test_a_clock_set_forward_takes_no_job_of_a_living_worker(scene: Scene, seconds: float) -> None:
    """Also what a host that slept, or a paused virtual machine, looks like."""
    scene.add(3)
    scene.live(20)
    claims = scene.claim(3)
    scene.clock.tick(seconds)
    scene.live(15)
    assert running(scene) == 3
    assert not scene.store.leases.renew(scene.worker_id, claims, lease=90).lost


def test_after_a_clock_set_forward_a_dead_worker_loses_its_jobs_one_lease_later(
    scene: Scene,
) -> None:
    scene.add(3)
    scene.live(20)
    scene.claim(3)
    scene.clock.tick(HOUR)
    scene.live(scene.settings.lease + 16)
    assert running(scene) == 0


def test_whoever_takes_the_duty_over_saw_the_jump_too(scene: Scene) -> None:
    heir = scene.another()
    scene.add(1)
    scene.live(20, scene.reconciler, heir)
    scene.claim()
    scene.clock.tick(HOUR)  # the duty has ended as well
    scene.live(15, heir)
    assert running(scene) == 1


def test_after_an_outage_workers_have_a_renewal_before_they_lose_their_jobs(scene: Scene) -> None:
    scene.add(2)
    scene.live(20)
    claims = scene.claim(2)
    scene.tick(300)  # the database is away: nobody renews, nobody reconciles
    scene.live(5)
    assert running(scene) == 2
    assert not scene.store.leases.renew(scene.worker_id, claims[:1], lease=90).lost
    scene.live(scene.settings.renew + 2)
    assert running(scene) == 1, "the other one was not renewed"


def test_a_process_that_has_just_started_ends_leases_at_once(scene: Scene) -> None:
    """After a power cut nobody lives who might renew."""
    scene.add(2)
    scene.claim(2)
    scene.tick(91)
    assert len(scene.another().round().expired) == 2


def test_the_next_round_follows_the_end_of_the_next_lease(scene: Scene) -> None:
    scene.add(1)
    scene.live(1, scene.reconciler)
    scene.claim()
    scene.live(90)
    assert running(scene) == 1
    scene.live(2)
    assert running(scene) == 0, "as late as the next round, though a lease ended before it"


def test_a_backoff_of_before_holds_no_job(scene: Scene) -> None:
    scene.add(1)
    [claim] = scene.claim()
    failed = Failed(claim, Failure.ERROR, "boom")
    scene.store.completion.fail([failed], backoff=lambda _: 300.0)
    assert scene.claim() == []
    scene.clock.tick(-HOUR)
    assert scene.reconciler.round().published == 1
    assert len(scene.claim()) == 1


def test_messages_lost_before_are_published_again(scene: Scene) -> None:
    scene.add(4)
    scene.reconciler.round()
    scene.client.flushall()
    scene.clock.tick(-HOUR)
    assert scene.reconciler.round().republished == 4


def test_a_manifest_of_before_lacks_no_job(scene: Scene) -> None:
    scene.add(2)
    for set_back in (0.0, HOUR):
        scene.clock.tick(-set_back)
        [claim] = scene.claim()
        scene.store.completion.cancelled([claim])
        assert [batch.name for batch in scene.store.manifests.dirty(every=60)] == ["night"]
        batch = scene.store.batches.get("night")
        scene.store.manifests.mark_manifest(batch, scene.clock() + 20, place=list)
        scene.tick(21)


def test_workers_seen_before_do_not_live_for_ever(scene: Scene) -> None:
    scene.clock.tick(-HOUR)
    scene.reconciler.round()
    scene.live(scene.settings.alive + 1)
    assert scene.store.workers.offers(alive=scene.settings.alive) == []


@pytest.mark.parametrize(
    ("database", "own", "quiet"),
    [
        (15.0, 15.0, 0.0),
        (15.0, 13.0, 0.0),  # a busy machine
        (3615.0, 15.0, 90.0),
        (-3585.0, 15.0, 90.0),
        (15.0, 615.0, 90.0),
        (100.0, 100.0, 15.0),
    ],
)
def test_clocks_that_move_apart(database: float, own: float, quiet: float) -> None:
    settings = Settings.read({"HYMO_HOME": "/h"})
    ticker = Ticker(0.0)
    check = ClockCheck(settings, clock=ticker)
    check.read(1000.0)
    assert check.quiet == 0
    ticker.tick(own)
    check.read(1000.0 + database)
    assert check.quiet == quiet
    ticker.tick(quiet)
    assert check.quiet == 0
