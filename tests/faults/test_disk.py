"""Files that cannot be written: a full disk, and a folder that is none."""

from __future__ import annotations

import pytest

from tests.faults.plant import Plant


@pytest.mark.slow
def test_disk_full(plant: Plant) -> None:
    """The job says so and is tried again; the jobs of its pack are not touched by it."""
    plant.environ |= {"HYMO_PACK": "4"}
    plant.submit(3, model="tiny", steps=1)
    # Whatever is written to the first attempt's file of j2 meets a device without space.
    folder = plant.settings.output / "j"
    folder.mkdir(parents=True)
    (folder / ".j2_s0.npz.1.part").symlink_to("/dev/full")
    plant.worker("a", model="tiny")
    plant.finish(3)

    assert plant.counts() == {"succeeded": 3}
    told = [(one.outcome, one.failure) for one in plant.tries("j2")]
    assert told == [("failed", "error"), ("succeeded", None)]
    assert "No space left on device; free space" in plant.tries("j2")[0].error
    assert len(plant.tries("j1")) == len(plant.tries("j3")) == 1


@pytest.mark.slow
def test_folder_that_cannot_be_made(plant: Plant) -> None:
    """The batch fails with the path and the mend; other batches and the worker go on."""
    plant.submit(2, model="tiny", steps=1, name="barred")
    plant.submit(2, model="tiny", steps=1, name="free")
    plant.settings.output.mkdir(parents=True)
    obstacle = plant.settings.output / "barred"
    obstacle.write_text("a file where a folder should be")
    plant.worker("a", model="tiny")
    plant.until_done(4)
    obstacle.unlink()
    plant.finish(4)

    assert plant.counts() == {"failed": 2, "succeeded": 2}
    for name in ("barred1", "barred2"):
        assert [one.failure for one in plant.tries(name)] == ["error"] * 3
        assert str(obstacle) in plant.job(name).error
