"""Maintenance by one: of the processes with the same broker, one reconciles."""

from __future__ import annotations

import logging

import pytest

from jobs.delivery.broker import LONGEST, identity
from jobs.delivery.reconciler import OVERDUE
from jobs.settings import Settings

from .conftest import OFFER, Scene

pytestmark = pytest.mark.redis


def test_one_of_several_processes_does_the_work(scene: Scene) -> None:
    first, second = scene.reconciler, scene.another()
    scene.add(3)
    assert first.round().published == 3
    scene.client.flushall()
    scene.tick(scene.settings.republish + 1)
    assert second.round().republished == 0, "the other one's duty"
    assert first.round().republished == 3


def test_another_process_takes_over_within_a_lease(scene: Scene) -> None:
    killed, heir = scene.reconciler, scene.another()
    scene.add(1)
    killed.round()
    scene.claim()  # its worker is killed too, at this moment
    begun = scene.clock()
    scene.tick(8)  # so that none of the heir's own rounds falls to the end of the lease
    heir.round()
    while scene.store.batches.counts(scene.batch.id).get("running"):
        scene.live(1, heir)
        assert scene.clock() - begun <= scene.settings.lease + 2, "not within a lease"
    assert scene.depth() == 2, "its first message and the new one"
    assert killed.round().expired == ()


@pytest.mark.parametrize("later", [1, 40, 88])
def test_a_holder_that_is_killed_after_a_worker_delays_its_jobs_no_second_lease(
    scene: Scene, later: int
) -> None:
    killed, heir = scene.reconciler, scene.another()
    scene.add(1)
    scene.live(20, killed, heir)
    scene.claim()  # its worker is killed at this moment, the holder later
    scene.live(later, killed, heir)
    scene.live(scene.settings.lease + 5 - later, heir)
    assert scene.store.batches.counts(scene.batch.id).get("running") is None


def test_a_holder_that_waits_after_a_jump_of_the_clock_is_left_its_duty(scene: Scene) -> None:
    """A process that started since knows of no jump and would end leases of living workers."""
    scene.add(1)
    scene.live(20)
    [claim] = scene.store.claims.claim(scene.worker_id, OFFER, lease=40)
    scene.clock.tick(30)
    scene.reconciler.round()
    newcomer = scene.another()
    newcomer.round()
    scene.live(30, scene.reconciler, newcomer)
    assert not scene.store.leases.renew(scene.worker_id, [claim], lease=40).lost


def test_a_holder_that_is_killed_while_it_ends_no_lease_is_replaced(scene: Scene) -> None:
    killed, heir = scene.reconciler, scene.another()
    scene.add(1)
    scene.live(20, killed, heir)
    scene.claim()
    scene.tick(300)  # the database is away
    scene.live(2, killed, heir)  # killed waits for the workers to renew
    scene.live(scene.settings.reconcile + 10, heir)
    assert scene.store.batches.counts(scene.batch.id).get("running") is None


def test_a_process_that_ends_leaves_its_duty_at_once(scene: Scene) -> None:
    first, second = scene.reconciler, scene.another()
    first.round()
    scene.add(2)
    assert second.round().published == 0
    second.give_up()
    assert second.round().published == 0, "it had nothing to give up"
    first.give_up()
    assert second.round().published == 2


def test_a_duty_held_before_the_clock_was_set_back_is_free(scene: Scene) -> None:
    scene.reconciler.round()
    scene.add(1)
    scene.clock.tick(-3600)
    assert scene.another().round().published == 1


def test_who_starts_the_broker_anew_acts_at_once(scene: Scene) -> None:
    scene.add(4)
    scene.reconciler.round()
    scene.client.flushall()
    scene.tick(0.1)
    node = scene.another()
    assert node.round().republished == 0
    assert node.round(fresh=True, seize=True).republished == 4
    scene.client.flushall()
    assert scene.reconciler.round(fresh=True).republished == 0, "the duty is the other one's now"


def test_another_broker_is_served_by_a_process_of_its_own(scene: Scene) -> None:
    scene.reconciler.round()
    scene.add(1)
    assert scene.another(broker_url="redis://10.0.0.1:1/0").round().published == 1


def test_a_batch_that_the_holder_does_not_reach_gets_its_manifest_from_another(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    other = scene.another()
    scene.reconciler.round()
    scene.add(1)
    [claim] = scene.claim()
    scene.store.completion.cancelled([claim])
    other.round()
    assert scene.store.manifests.dirty(), "the holder's duty"
    scene.tick(OVERDUE + 1)
    scene.reconciler.write_manifests = lambda **_: 0  # type: ignore[method-assign]  # no share
    scene.reconciler.round()
    assert other.round().manifests == 1


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://me:secret@10.0.0.1:6379/2", "10.0.0.1:6379/2"),
        ("redis://broker", "broker:"),
    ],
)
def test_a_broker_elsewhere_is_the_same_for_every_host(url: str, shown: str) -> None:
    assert identity(Settings.read({"HYMO_HOME": "/h", "HYMO_BROKER_URL": url})) == shown


@pytest.mark.parametrize(
    "url", [None, "redis://localhost:6379/0", "redis://127.0.0.1", "redis+socket:///run/r.sock"]
)
def test_a_local_broker_is_told_from_another_hosts(
    monkeypatch: pytest.MonkeyPatch, url: str | None
) -> None:
    environ = {"HYMO_HOME": "/h"} | ({} if url is None else {"HYMO_BROKER_URL": url})
    found = set()
    for host in ("rack1", "rack2"):
        monkeypatch.setattr("socket.gethostname", lambda host=host: host)
        found.add(identity(Settings.read(environ)))
    assert len(found) == 2


def test_a_long_identity_fits_its_column() -> None:
    url = f"redis+socket:///{'a' * 300}"
    assert len(identity(Settings.read({"HYMO_HOME": "/h", "HYMO_BROKER_URL": url}))) <= LONGEST
