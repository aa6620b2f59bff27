"""Pausing, resuming and cancelling while workers work."""

from __future__ import annotations

from pathlib import Path

from tests.faults.plant import Plant


def counts(plant: Plant, batch: str) -> dict[str, int]:
    return {
        str(state): n
        for state, n in plant.store.batches.counts(plant.store.batches.get(batch).id).items()
        if n
    }


def test_a_paused_batch_waits_while_others_go_on(either: Plant) -> None:
    plant = either
    plant.submit(6, name="held")
    plant.submit(6, name="free")
    plant.run("pause", "held")
    plant.worker("a")
    plant.until(lambda: counts(plant, "free") == {"succeeded": 6}, "the free batch is done")
    assert counts(plant, "held") == {"queued": 6}
    plant.run("resume", "held")
    plant.finish(12)
    assert counts(plant, "held") == {"succeeded": 6}


def test_pausing_in_mid_run_lets_the_pack_in_hand_finish(plant: Plant) -> None:
    plant.environ |= {"HYMO_NULL_STEP": "0.05"}
    plant.submit(20)
    plant.worker("a")
    plant.until(lambda: plant.counts().get("running"), "a pack runs")
    plant.run("pause", "j")
    plant.until(lambda: not plant.counts().get("running"), "the pack in hand is done")
    held = plant.counts()
    assert held["queued"] > 0
    assert set(held) == {"queued", "succeeded"}
    # A job of another batch finishes, so the worker could have taken one of this batch.
    plant.submit(2, name="other")
    plant.until(lambda: counts(plant, "other") == {"succeeded": 2}, "another batch is done")
    assert counts(plant, "j")["queued"] == held["queued"]
    plant.run("resume", "j")
    plant.finish(22)


def test_a_running_job_is_cancelled_at_a_step(either: Plant) -> None:
    plant = either
    plant.environ |= {"HYMO_NULL_STEP": "0.3", "HYMO_PACK": "1"}
    plant.submit(2, steps=1000)  # five minutes each, unless somebody stops them
    plant.worker("a")
    plant.until(plant.holders, "a job runs")
    (first,) = plant.holders()
    plant.run("cancel", f"j/{first}")
    plant.until(lambda: plant.job(first).state == "cancelled", "it is cancelled")
    (only,) = plant.tries(first)
    assert (only.outcome, only.failure) == ("cancelled", None)
    other = "j1" if first == "j2" else "j2"
    plant.until(lambda: other in plant.holders(), "the next one runs")
    plant.run("cancel", "--batch", "j")
    plant.finish(2)
    assert plant.counts() == {"cancelled": 2}


def test_a_queued_job_is_cancelled_at_once_and_retried_on_request(plant: Plant) -> None:
    plant.submit(3)
    plant.run("cancel", "j/j2")
    assert plant.job("j2").state == "cancelled"
    plant.worker("a")
    plant.until_done(3)
    assert plant.counts() == {"succeeded": 2, "cancelled": 1}
    assert plant.tries("j2") == []
    plant.run("retry", "j/j2")
    plant.until(lambda: plant.job("j2").state == "succeeded", "it runs after all")
    plant.finish(3)


def test_cancelling_one_of_a_pack_leaves_the_other_and_no_file(plant: Plant) -> None:
    plant.submit(2, steps=300, model="tiny")
    plant.environ |= {"HYMO_PACK": "2"}
    plant.worker("a", model="tiny", ready=False)
    plant.until(lambda: len(plant.holders()) == 2, "both run")
    plant.run("cancel", "j/j1")
    plant.until_done(2)
    assert plant.job("j2").state == "succeeded"
    names = {path.name for path in Path(plant.settings.output, "j").glob("*.npz")}
    # If the request came when the pack was nearly done, the job succeeded and has a file.
    state = plant.job("j1").state
    assert names == {"j2_s0.npz"} | ({"j1_s0.npz"} if state == "succeeded" else set())
    assert state in {"cancelled", "succeeded"}
    plant.finish(2)
