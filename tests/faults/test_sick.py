"""Machines that are sick, not their jobs: broken writing, weights that are gone, device faults."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import mkdtemp

import pytest

from tests.faults.plant import Plant
from tests.installed import NAME, install

ROOT = Path(__file__).parents[2]

#: A worker whose files meet a broken disk while the flag is there.
BROKEN_DISK = """
import errno, pathlib
from worker.engine.null import NullEngine

def write(self, claim, motion, format_, path):
    if pathlib.Path({flag!r}).exists():
        raise OSError(errno.EIO, "Input/output error")
    return False

NullEngine.write = write
"""

#: A worker on another machine: the CPU workers of one machine share a device.
ELSEWHERE = "import socket; socket.gethostname = lambda: 'node2'"

#: A device that does not survive the job `guilty1`.
ASSERTING = """
from worker.engine.null import NullEngine

def sample(self, claims, encoded, on_step, prepared=None, real=NullEngine.sample):
    if any(claim.custom_id == "guilty1" for claim in claims):
        import torch
        raise torch.AcceleratorError("CUDA error: device-side assert triggered")
    return real(self, claims, encoded, on_step)

NullEngine.sample = sample
"""


def patched(plant: Plant, code: str) -> dict[str, str]:
    """The environment of a process that runs this code when it starts."""
    folder = Path(mkdtemp(prefix="patch-", dir=plant.home))
    (folder / "sitecustomize.py").write_text(code, "utf-8")
    return {"PYTHONPATH": f"{folder}:{ROOT}"}


def pauses(plant: Plant) -> list[str]:
    """Scope and reason of each pause of the live workers."""
    rows = plant.store.workers.rows(alive=plant.settings.alive)
    return [
        f"{pause.scope} {pause.reason}"
        for row in rows
        if row.alive
        for pause in row.registration.offer.pauses
    ]


@pytest.mark.slow
def test_a_sick_worker_fails_no_job_for_good_and_comes_back(either: Plant) -> None:
    plant = either
    plant.environ |= {"HYMO_NULL_STEP": "0.01"}
    flag = plant.home / "broken"
    flag.touch()
    sick = plant.worker("sick", **patched(plant, BROKEN_DISK.format(flag=str(flag))))
    plant.worker("well", **patched(plant, ELSEWHERE))
    plant.submit(120)
    plant.until(lambda: pauses(plant), "the sick worker pauses")
    shown = plant.run("workers")
    assert "sick waits: " in shown
    assert "jobs in a row failed, the last with SaveError" in shown
    plant.until_done(120)
    assert plant.counts() == {"succeeded": 120}
    failed = plant.rows("SELECT job_id, worker_name FROM attempts WHERE outcome = 'failed'")
    assert {row.worker_name for row in failed} == {"sick"}
    assert len({row.job_id for row in failed}) == len(failed), "no job met the sick worker twice"
    assert len(failed) <= 4
    assert pauses(plant), "it is still sick"
    flag.unlink()
    plant.until(lambda: not pauses(plant), "it comes back")
    assert "waits no longer" in sick.said
    plant.finish(120)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a model whose texts are encoded apart from sampling."""
    home = tmp_path_factory.mktemp("installed")
    install(home, tmp_path_factory.mktemp("sources"))
    return home


@pytest.mark.slow
def test_weights_that_are_gone_cost_no_attempt_and_are_loaded_when_they_are_back(
    plant: Plant, installed: Path
) -> None:
    shutil.copytree(installed / "models", plant.home / "models")
    (weights,) = (plant.home / "models").rglob("full/*.safetensors")
    up = plant.start("up", "up", "--models", NAME, "--memory", "64", "--text-plan", "staged")
    plant.until(lambda: plant.store.workers.offers(alive=10), "the worker is ready")
    away = weights.rename(plant.home / "away")
    # Encoding takes the network from memory, which must then be loaded again.
    plant.submit(4, model=NAME)
    plant.until(lambda: pauses(plant), "the worker cannot load it")
    assert pauses(plant)[0].startswith("model ")
    assert f"{NAME} full cannot be loaded" in pauses(plant)[0]
    reason = pauses(plant)[0].removeprefix("model ")
    assert f" waits {reason} " in " ".join(plant.run("show", "j/j1").split())
    assert plant.counts() == {"queued": 4}
    away.rename(weights)
    plant.finish(4)
    assert plant.counts() == {"succeeded": 4}
    assert not plant.rows("SELECT 1 FROM attempts WHERE outcome = 'failed'")
    assert up.ended() == 0


@pytest.mark.slow
def test_a_device_fault_restarts_the_worker_and_only_the_guilty_job_fails(plant: Plant) -> None:
    plant.environ |= {"HYMO_PACK": "8"}
    plant.submit(1, name="guilty")
    plant.submit(7, name="other")
    up = plant.start("up", "up", "--models", "null", "--memory", "64", **patched(plant, ASSERTING))
    plant.finish(8)
    assert plant.counts() == {"failed": 1, "succeeded": 7}
    job = plant.job("guilty1")
    assert (job.state, job.failure) == ("failed", "error")
    assert job.error.startswith("device fault: AcceleratorError: CUDA error: device-side assert")
    others = plant.rows(
        "SELECT a.outcome FROM attempts a JOIN jobs j ON j.id = a.job_id"
        " WHERE j.custom_id <> 'guilty1'"
    )
    assert {row.outcome for row in others} == {"released", "succeeded"}
    assert up.said.count("exited with code 76, restarting") == 5


@pytest.mark.slow
def test_a_worker_that_starts_without_one_of_its_engines_takes_jobs_of_the_others(
    plant: Plant, installed: Path
) -> None:
    shutil.copytree(installed / "models", plant.home / "models")
    (weights,) = (plant.home / "models").rglob("full/*.safetensors")
    away = weights.rename(plant.home / "away")
    plant.submit(2, name="other")
    plant.worker("w", model=f"{NAME},null", text_plan="staged")
    plant.until(lambda: plant.counts() == {"succeeded": 2}, "it takes the other jobs")
    assert [each.partition(":")[0].split()[0] for each in pauses(plant)] == ["model"]
    plant.submit(2, model=NAME)
    away.rename(weights)
    plant.finish(4)
    assert plant.counts() == {"succeeded": 4}
