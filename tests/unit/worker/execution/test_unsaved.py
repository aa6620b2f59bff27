"""Motions that cannot be saved: kept with their leases, saved later, or given back."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from jobs.domain.attempts import Claim
from tests.unit.worker.stub import Bench
from worker.execution import unsaved
from worker.execution.unsaved import UnsavedMotions


@dataclass
class Disk:
    """Refuses every file while it has an error, and every probe unless it is sound."""

    number: int | None = errno.ENOSPC
    sound: bool = False

    def probe(self, _folder: Path) -> OSError | None:
        return None if self.sound or self.number is None else OSError(self.number, "refused")

    def sabotage(self, phase: str, _claims: Sequence[Claim]) -> None:
        if phase == "write" and self.number is not None:
            raise OSError(self.number, "refused")


@pytest.fixture
def disk(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Disk:
    """A disk that is full until it gets room."""
    made = Disk()
    bench.engine.sabotage = made.sabotage
    monkeypatch.setattr(unsaved, "probe", made.probe)
    return made


def reasons(bench: Bench) -> list[str]:
    return [pause.reason for pause in bench.pauses.active]


def test_motions_are_kept_and_saved_when_there_is_room(bench: Bench, disk: Disk) -> None:
    bench.insert("a", "b")
    bench.loop().poll()
    assert bench.states() == {"a": "running", "b": "running"}
    assert reasons(bench) == [f"output {bench.settings.output} full on h"]
    bench.clock.tick(1)
    assert not bench.unsaved.retry()
    disk.number = None
    bench.clock.tick(60)
    assert bench.unsaved.retry()
    assert bench.states() == {"a": "succeeded", "b": "succeeded"}
    assert bench.engine.packs == [["a", "b"]], "they were sampled once"
    assert bench.files() == {"a_s0.npz", "b_s0.npz"}
    assert (reasons(bench), bench.unsaved.claims) == ([], [])
    assert [row["outcome"] for row in bench.rows("SELECT * FROM attempts")] == ["succeeded"] * 2


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EDQUOT, "over its quota"), (errno.EROFS, "read-only"),
        (errno.EACCES, "not writable"), (errno.EIO, "fails (refused)"),
        (errno.ESTALE, "fails (refused)"),
    ],
)  # fmt: skip
def test_people_see_what_is_wrong(bench: Bench, disk: Disk, number: int, words: str) -> None:
    disk.number = number
    bench.insert("a")
    bench.loop().poll()
    assert reasons(bench) == [f"output {bench.settings.output} {words} on h"]


def test_their_leases_are_renewed_without_progress_and_no_deadline_ends_them(
    bench: Bench, disk: Disk
) -> None:
    bench.insert("a")
    bench.loop().poll()
    for _ in range(10):
        bench.clock.tick(bench.settings.deadline)
        bench.keeper.check(renew=True)
        assert bench.job("a")["lease_until"] == bench.clock.time + bench.settings.lease
    assert bench.ended == []
    # A pack that hangs still ends the worker, and it is not to take the kept motions with it.
    bench.insert("hangs", batch="other")
    with bench.keeper.hold(bench.claim()):
        bench.clock.tick(bench.settings.deadline + 1)
        bench.keeper.check(renew=True)
    assert [[claim.custom_id for claim in some] for some in bench.ended] == [["hangs"]]


def test_it_tries_less_and_less(bench: Bench, disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[float] = []

    def probe(folder: Path) -> OSError | None:
        tries.append(bench.clock.time)
        return disk.probe(folder)

    bench.insert("a")
    bench.loop().poll()
    monkeypatch.setattr(unsaved, "probe", probe)
    begun = bench.clock.time
    for _ in range(100):
        bench.clock.tick(1)
        bench.unsaved.retry()
    assert [at - begun for at in tries] == [1, 2, 4, 8, 16, 32, 62, 92]


def test_a_job_that_fails_on_a_good_disk_counts(bench: Bench, disk: Disk) -> None:
    disk.sound = True
    bench.insert("a", limit=1)
    bench.loop().poll()
    assert bench.states() == {"a": "failed"}
    assert reasons(bench) == []


def test_more_than_it_can_keep_is_given_back(bench: Bench, disk: Disk) -> None:
    bench.insert(*"abc", limit=1)
    bench.unsaved = UnsavedMotions(
        queue=bench.queue(), keeper=bench.keeper, pauses=bench.pauses, folders=bench.folders,
        host="h", most=2, clock=bench.clock,
    )  # fmt: skip
    bench.loop().poll()
    assert sorted(bench.states().values()) == ["queued", "running", "running"]
    assert bench.loop().poll() == 0, "it is not claimed again meanwhile"
    disk.number = None
    bench.clock.tick(1)
    bench.unsaved.retry()
    assert bench.loop().poll() == 1
    assert set(bench.states().values()) == {"succeeded"}


def test_a_draining_worker_gives_them_back_uncounted(bench: Bench, disk: Disk) -> None:
    bench.insert("a", limit=1)
    bench.loop().poll()
    bench.unsaved.give_back("it ended")
    row = bench.job("a")
    assert (row["state"], row["returns"], row["error"]) == ("queued", 1, "it ended")
    assert row["attempt"] < row["attempt_limit"]
    bench.keeper.check(renew=True)  # nothing is held any more
    assert bench.unsaved.claims == []


def test_returns_back_off(bench: Bench, disk: Disk) -> None:
    bench.insert("a", limit=1)
    waits = []
    for _ in range(4):
        bench.loop().poll()
        bench.unsaved.give_back("it ended")
        (pause,) = bench.pauses.active
        bench.pauses.end(pause.scope, pause.subject)
        waits.append(max(0.0, bench.job("a")["not_before"] - bench.clock.time))
        bench.clock.tick(waits[-1])
    assert waits == [0, 5, 10, 20]


def test_a_motion_that_nobody_wants_is_dropped(bench: Bench, disk: Disk) -> None:
    numbers = bench.insert("a", "b")
    bench.loop().poll()
    bench.store.control.cancel([numbers["a"]])
    bench.keeper.check(renew=False)
    disk.number = None
    bench.clock.tick(1)
    assert bench.unsaved.retry()
    assert bench.states() == {"a": "cancelled", "b": "succeeded"}
    assert bench.files() == {"b_s0.npz"}


def test_a_lease_that_was_lost_leaves_no_file(bench: Bench, disk: Disk) -> None:
    bench.insert("a")
    bench.loop().poll()
    bench.clock.tick(bench.settings.lease + 1)
    bench.store.leases.expire(backoff=lambda _: 0.0)
    disk.number = None
    bench.unsaved.retry()
    assert bench.states() == {"a": "queued"}
    assert bench.files() == set()


def test_a_pause_with_nothing_kept_ends_with_a_probe(bench: Bench, disk: Disk) -> None:
    bench.insert("a")
    bench.unsaved = UnsavedMotions(
        queue=bench.queue(), keeper=bench.keeper, pauses=bench.pauses, folders=bench.folders,
        host="h", most=0, clock=bench.clock,
    )  # fmt: skip
    bench.loop().poll()
    bench.clock.tick(1)
    assert not bench.unsaved.retry()
    disk.number = None
    bench.clock.tick(60)
    assert bench.unsaved.retry()
    assert reasons(bench) == []


def test_a_folder_that_is_gone_pauses_its_batch_alone(bench: Bench) -> None:
    bench.settings.output.mkdir()
    bench.store.batches.ensure("night", source="f", output=str(bench.settings.output), token="")
    bench.insert("a", batch="night")
    mark = bench.settings.output / "night"

    def vanish(phase: str, _claims: Sequence[Claim]) -> None:
        if phase == "decode":
            mark.rename(bench.folder / "away")

    bench.engine.sabotage = vanish
    bench.loop().poll()
    assert bench.states() == {"a": "running"}
    assert reasons(bench) == [f"batch night: its folder {mark} is not mounted on h"]
    assert not mark.exists()
    bench.clock.tick(1)
    assert not bench.unsaved.retry()
    (bench.folder / "away").rename(mark)
    bench.clock.tick(60)
    assert bench.unsaved.retry()
    assert bench.states() == {"a": "succeeded"}
