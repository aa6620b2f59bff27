"""The reconciler with real databases and a real broker."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from jobs.artifacts.temporary import part_path
from jobs.delivery.publisher import Publisher
from jobs.delivery.reconciler import MANIFEST, Reconciler
from jobs.domain.attempts import Claim, Success, Timings
from jobs.domain.batches import Artifact
from jobs.domain.states import State
from jobs.domain.workers import WorkerCard
from jobs.store.queue.endings import AVOIDED_LOST

from .conftest import OFFER, QUEUE, Scene

pytestmark = pytest.mark.redis


def test_rows_without_a_message_are_published_once(scene: Scene) -> None:
    scene.add(2500)
    assert scene.reconciler.round().published == 2500
    assert scene.depth() == 2500
    again = scene.reconciler.round()
    assert (again.published, again.republished) == (0, 0)
    assert scene.depth() == 2500


def test_a_wiped_broker_is_filled_again_once_the_messages_are_old(scene: Scene) -> None:
    scene.add(30)
    scene.reconciler.round()
    scene.client.flushall()
    assert scene.reconciler.round().republished == 0, "a message may still be on its way"
    scene.tick(scene.settings.republish + 1)
    assert scene.reconciler.round().republished == 30
    assert scene.depth() == 30
    scene.tick(scene.settings.republish + 1)
    assert scene.reconciler.round().republished == 0, "nothing is missing now"


def test_a_broker_just_started_is_filled_at_once(scene: Scene) -> None:
    scene.add(30)
    scene.reconciler.round()
    scene.client.flushall()
    scene.tick(0.1)
    assert scene.reconciler.round(fresh=True).republished == 30
    assert scene.reconciler.round(fresh=True).republished == 0
    assert scene.depth() == 30


def test_only_the_missing_messages_are_published_again(scene: Scene) -> None:
    scene.add(10)
    scene.reconciler.round()
    for _ in range(4):
        scene.client.rpop(QUEUE)
    scene.tick(scene.settings.republish + 1)
    assert scene.reconciler.round().republished == 4
    assert scene.depth() == 10


def test_a_long_queue_does_not_pile_up_messages_through_a_night(scene: Scene) -> None:
    scene.add(50)
    for _ in range(100):
        scene.reconciler.round()
        scene.tick(600)
    assert scene.depth() == 50


def test_a_job_of_an_expired_lease_is_published_at_once(scene: Scene) -> None:
    [job_id] = scene.add(1)
    scene.reconciler.round()
    scene.client.flushall()
    [claim] = scene.claim()
    scene.live(80)
    assert scene.depth() == 0
    scene.tick(11)
    found = scene.reconciler.round()
    assert [(lease.job_id, lease.state) for lease in found.expired] == [(job_id, State.QUEUED)]
    assert scene.depth() == 1, "that it is a suspect is enough: it does not wait besides"
    [again] = scene.claim()
    assert again.attempt == claim.attempt + 1
    assert again.suspect


def test_a_lost_job_that_no_other_device_took_is_published_again_when_its_own_may(
    scene: Scene,
) -> None:
    """The worker that was started again on its device took the first message for nothing."""
    scene.add(1)
    scene.claim()
    scene.live(80)
    elsewhere = WorkerCard(
        offer=OFFER, host="other", pid=2, device="cpu", card="CPU", dtype="float32", nvlink=False,
        queues=(QUEUE,),
    )  # fmt: skip
    scene.store.workers.register(elsewhere)
    scene.live(12)
    assert scene.claim() == [], "left to the other device"
    scene.client.flushall()
    scene.live(AVOIDED_LOST)
    assert scene.depth() == 1
    assert len(scene.claim()) == 1


def test_paused_batches_are_not_published(scene: Scene) -> None:
    scene.add(5)
    scene.store.batches.pause("night")
    assert scene.reconciler.round().published == 0
    scene.store.batches.resume("night")
    assert scene.reconciler.round().published == 5


def test_an_absent_broker_is_reported_and_the_leases_are_ended_all_the_same(scene: Scene) -> None:
    scene.add(1)
    scene.claim()
    scene.tick(91)
    gone = replace(scene.settings, broker_url="redis://127.0.0.1:1/0")
    reconciler = Reconciler(store=scene.store, publisher=Publisher(gone), settings=gone)
    scene.add(2)
    found = reconciler.round()
    assert len(found.expired) == 1
    assert found.broker is not None
    assert "127.0.0.1:1" in found.broker
    assert scene.reconciler.round().published >= 1, "and follows when a broker is there"


def finish(scene: Scene, claim: Claim, folder: Path) -> None:
    path = folder / f"{claim.custom_id}_s0.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"motion")
    file = Artifact(format="npz", path=str(path), size=6, sha256="00")
    won = Success(claim, Timings(sample=1.0), 1000, (file,))
    assert scene.store.completion.succeed([won], publish=lambda _: None) == {}


def test_the_manifest_follows_the_rows(scene: Scene) -> None:
    scene.add(3)
    folder = Path(scene.batch.output) / "night"
    manifest = folder / "manifest.jsonl"
    assert scene.reconciler.round().manifests == 0, "nothing finished yet"
    [first] = scene.claim()
    finish(scene, first, folder)
    assert scene.reconciler.round().manifests == 1
    [line] = [json.loads(line) for line in manifest.read_text().splitlines()]
    assert line["id"] == "j0"
    assert line["files"] == [{"format": "npz", "path": "j0_s0.npz", "size": 6, "sha256": "00"}]
    scene.tick(MANIFEST + 1)
    scene.reconciler.round()
    assert scene.reconciler.round().manifests == 0, "nothing new"
    [second] = scene.claim()
    finish(scene, second, folder)
    assert scene.reconciler.round().manifests == 0, "a batch that goes on: not at every round"
    scene.tick(MANIFEST + 1)
    assert scene.reconciler.round().manifests == 1
    assert len(manifest.read_text().splitlines()) == 2
    assert [path.name for path in folder.iterdir() if path.suffix == ".part"] == []


def test_a_manifest_that_cannot_be_written_stops_nothing(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.add(1)
    [claim] = scene.claim()
    (Path(scene.batch.output)).parent.mkdir(parents=True, exist_ok=True)
    Path(scene.batch.output).write_text("a file where the folder should be")
    won = Success(claim, Timings(), None, ())
    scene.store.completion.succeed([won], publish=lambda _: None)
    for _ in range(3):
        assert scene.reconciler.round().manifests == 0
    (said,) = [each.getMessage() for each in caplog.records if "manifest" in each.getMessage()]
    assert scene.batch.name in said
    Path(scene.batch.output).unlink()
    assert scene.reconciler.round().manifests == 1, "the batch stayed dirty"


def test_files_of_killed_attempts_are_cleared_and_no_others(scene: Scene) -> None:
    scene.add(3)
    folder = Path(scene.batch.output) / "night"
    done, runs = scene.claim(2)
    finish(scene, done, folder)
    kept = [part_path(folder / "j1_s0.npz", runs.attempt), folder / ".j9.txt", folder / "x.part"]
    killed = [
        part_path(folder / "j1_s0.npz", runs.attempt + 7),
        part_path(folder / "j2_s0.bvh", 1),
    ]
    # The file of a writer that began before has lost its turn, whatever its age.
    writers = [folder / ".manifest.jsonl.4711.part", folder / ".manifest.jsonl.4712.part"]
    for path in (*kept, *killed, *writers):
        path.write_text("half")
    os.utime(writers[0], (0, 0))
    assert scene.reconciler.round().manifests == 1
    assert all(path.exists() for path in kept)
    assert not any(path.exists() for path in (*killed, *writers))
