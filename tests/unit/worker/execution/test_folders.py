"""Which batches a worker leaves out because it does not see their folder."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.artifacts.folder import MARK, OTHER, BoundedLook, Sight, look
from jobs.domain.batches import Batch
from jobs.domain.pauses import PauseScope
from tests.unit.worker.stub import Bench
from tests.waiting import HUNG, until
from worker.execution.folders import EVERY, BatchFolders


def batch(bench: Bench, name: str, output: Path | None = None, token: str | None = "") -> Batch:
    """A batch with one job."""
    made = bench.store.batches.ensure(
        name, source="f", output=str(output or bench.settings.output), token=token
    )
    bench.insert(f"{name}1", batch=name)
    return made


def reasons(bench: Bench) -> list[str]:
    return [pause.reason for pause in bench.pauses.active]


def test_a_batch_waits_for_its_output_folder(bench: Bench) -> None:
    made = batch(bench, "night")
    loop = bench.loop()
    assert loop.poll() == 0
    assert bench.folders.hidden == {made.id}
    folder = bench.settings.output / "night"
    assert reasons(bench) == [f"batch night: its folder {folder} is not mounted on h"]
    assert not bench.settings.output.exists()
    # It is mounted; the first worker that sees it lays the mark, and records its token.
    bench.settings.output.mkdir()
    bench.clock.tick(1)
    assert loop.poll() == 1
    assert (bench.folders.hidden, reasons(bench)) == (frozenset(), [])
    row = bench.store.batches.get("night")
    assert look(folder, row.token) == Sight(row.token)
    assert bench.states() == {"night1": "succeeded"}


def test_a_worker_without_the_mark_takes_nothing(bench: Bench) -> None:
    """The mount point exists, as an empty folder."""
    bench.settings.output.mkdir()
    made = batch(bench, "night", token="t")
    batch(bench, "old", token=None)
    assert bench.loop().poll() == 1
    assert bench.states() == {"night1": "queued", "old1": "succeeded"}
    assert bench.folders.hidden == {made.id}
    assert not (bench.settings.output / "night").exists()


def test_two_machines_that_lay_a_mark_each_agree_on_one(bench: Bench) -> None:
    """The path is a folder of each machine's own: one of them has the batch, the other waits."""
    made = batch(bench, "night")

    def late(_folder: Path, _token: str | None) -> Sight:
        bench.store.batches.adopt(made.id, "of the other machine")
        return Sight("mine")

    folders = BatchFolders(queue=bench.queue(), pauses=bench.pauses, host="h", look=late)
    folders.refresh()
    assert bench.store.batches.get("night").token == "of the other machine"
    assert folders.hidden == {made.id}
    assert OTHER in reasons(bench)[0]


def test_a_new_batch_is_claimed_at_once(bench: Bench) -> None:
    """Its message comes before the next periodic look."""
    bench.settings.output.mkdir()
    loop = bench.loop()
    loop.poll()
    batch(bench, "night")
    assert loop.on_message(bench.job("night1")["id"]) == 1


def test_a_claim_looks_at_no_folder_that_it_knows(bench: Bench) -> None:
    bench.settings.output.mkdir()
    batch(bench, "night")
    looks: list[Path] = []

    def counted(folder: Path, token: str | None) -> Sight:
        looks.append(folder)
        return look(folder, token)

    bench.folders = BatchFolders(
        queue=bench.queue(), pauses=bench.pauses, host="h", look=counted, clock=bench.clock
    )
    loop = bench.loop()
    loop.poll()
    for name in "abc":
        bench.insert(name, batch="night")
        assert loop.poll() == 1
    assert len(looks) == 1
    bench.insert("d", batch="night")
    bench.clock.tick(EVERY)
    bench.folders.refresh()
    assert len(looks) == 2, "again after a while, as a mount may vanish"


def test_a_folder_that_is_not_there_is_looked_at_less_and_less(bench: Bench) -> None:
    batch(bench, "night")
    looks: list[float] = []

    def absent(_folder: Path, _token: str | None) -> Sight:
        looks.append(bench.clock.time)
        return Sight(fault="is not mounted")

    folders = BatchFolders(
        queue=bench.queue(), pauses=bench.pauses, host="h", look=absent, clock=bench.clock
    )
    for _ in range(15):
        folders.refresh()
        bench.clock.tick(1)
    assert [at - looks[0] for at in looks] == [0, 1, 3, 7]


def test_a_batch_that_is_over_is_not_shown(bench: Bench) -> None:
    batch(bench, "night")
    bench.folders.refresh()
    assert reasons(bench)
    bench.store.control.cancel(batch_id=bench.store.batches.get("night").id)
    bench.clock.tick(EVERY)
    bench.folders.refresh()
    assert (reasons(bench), bench.folders.hidden) == ([], frozenset())


@pytest.fixture
def hung() -> Iterator[threading.Event]:
    """Set it to let the file system answer."""
    event = threading.Event()
    yield event
    event.set()


def test_a_file_system_that_hangs_holds_up_no_claim(
    bench: Bench, tmp_path: Path, hung: threading.Event
) -> None:
    """It is looked at by one thread, however often claims are made."""
    bench.settings.output.mkdir()
    batch(bench, "away", tmp_path / "nas")
    batch(bench, "here")
    looks: list[Path] = []

    def hangs(folder: Path, token: str | None, **_: bool) -> Sight:
        looks.append(folder)
        if folder.parent == tmp_path / "nas":
            hung.wait(HUNG)
        return look(folder, token)

    bench.folders = BatchFolders(
        queue=bench.queue(), pauses=bench.pauses, host="h",
        look=BoundedLook(hangs, patience=0.1), clock=bench.clock,
    )  # fmt: skip
    loop = bench.loop()
    assert loop.poll() == 1
    assert bench.states() == {"away1": "queued", "here1": "succeeded"}
    assert reasons(bench) == [f"batch away: its folder {tmp_path}/nas/away does not answer on h"]
    for _ in range(3):
        bench.clock.tick(EVERY)
        assert loop.poll() == 0
    assert looks.count(tmp_path / "nas" / "away") == 1
    (tmp_path / "nas").mkdir()
    hung.set()

    def goes_on() -> int:
        bench.clock.tick(EVERY)
        return loop.poll()

    assert until(goes_on, "its job is taken") == 1


def test_a_paused_output_folder_hides_its_batches(bench: Bench, tmp_path: Path) -> None:
    bench.settings.output.mkdir()
    made = batch(bench, "night", token=None)
    batch(bench, "other", tmp_path / "other", token=None)
    bench.folders.refresh()
    bench.pauses.begin(PauseScope.OUTPUT, str(bench.settings.output), "full")
    assert bench.folders.hidden == {made.id}
    assert bench.loop().poll() == 1
    assert bench.states() == {"night1": "queued", "other1": "succeeded"}
    bench.pauses.end(PauseScope.OUTPUT, str(bench.settings.output))
    assert bench.loop().poll() == 1


def test_a_message_of_a_job_that_waits_does_not_hold_up_the_others(
    bench: Bench, tmp_path: Path
) -> None:
    batch(bench, "night")
    batch(bench, "other", tmp_path, token=None)
    bench.folders.refresh()
    assert bench.loop().on_message(bench.job("night1")["id"]) == 1
    assert bench.states() == {"night1": "queued", "other1": "succeeded"}
    assert not (tmp_path / "other" / MARK).exists()
