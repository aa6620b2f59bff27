"""The command that trains, from a dataset on disk to a model that loads; cut, killed, resumed."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import hymotion
from hymotion import Request
from hymotion.training.build import write
from hymotion.training.fit.snapshot import FILE, RunState
from hymotion.training.mocap.archives import SOURCES, archive
from hymotion.training.train import STOPPED, main
from tests.unit.hymotion.training.dataset.test_motion_dataset import sample, sway
from tests.waiting import HUNG, until

ROOT = Path(__file__).parents[4]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dataset")
    samples = [
        sample("one", "jumping_jacks", frames=50),
        sample("two", "kick", side="left"),
        sample("three", "walk", split="held", frames=90),
    ]
    write(samples, out, sway=sway(), pairs=4, seed=4)
    return out


def options(dataset: Path, out: Path, *more: str) -> list[str]:
    common = ["--mode", "lite", "--batch-frames", "64", "--device", "cpu"]
    return [str(dataset), str(out), *common, *more]


def test_a_dataset_becomes_a_model(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(options(dataset, tmp_path, "--steps", "2")) == 0
    assert "done at step 2" in capsys.readouterr().err
    pipeline = hymotion.load(tmp_path / "model")
    [motion] = pipeline.sample([Request(frames=20, seed=1, prompt="kicks", steps=2)])
    assert motion.joints.shape == (20, 22, 3)
    # The same command has nothing left to do; another learning rate is another run.
    assert main(options(dataset, tmp_path, "--steps", "2")) == 0
    assert main(options(dataset, tmp_path, "--steps", "2", "--learning-rate", "1e-4")) == 1
    assert "learning_rate 0.002, not 0.0001" in capsys.readouterr().err
    # And it can be the start of another.
    begun = tmp_path / "begun"
    init = ("--init", str(tmp_path / "model"), "--steps", "1")
    assert main(options(dataset, begun, *init)) == 0


def test_what_cannot_start_says_why(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(options(tmp_path / "nowhere", tmp_path)) == 1
    assert "is no dataset" in capsys.readouterr().err
    assert main(options(dataset, tmp_path, "--parallel", "ddp")) == 1
    assert "Start it with torchrun" in capsys.readouterr().err


def test_archives_become_a_dataset_first(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = tmp_path / "data", tmp_path / "out"
    data.mkdir()
    for source in SOURCES:
        archive(data, source).write_bytes(b"no archive")
    # They are read before anything is written, and what is built already is not built again.
    assert main(options(data, out, "--steps", "1")) == 1
    said = capsys.readouterr().err
    assert f"building the dataset in {out / 'dataset'}" in said
    assert "cmu.tar.xz" in said
    shutil.copytree(dataset, out / "dataset")
    assert main(options(data, out, "--steps", "1")) == 0
    assert "building" not in capsys.readouterr().err


LOOKS_UP_OFTEN = """
import sys
from functools import partial
from hymotion.training import train
train.RunControl = partial(train.RunControl, every=1)
sys.exit(train.main())
"""
"""The command, which saves and asks whether to stop after every step instead of every fiftieth."""


@pytest.mark.slow
def test_a_run_that_is_killed_goes_on_and_one_that_is_asked_to_stop_saves(
    dataset: Path, tmp_path: Path, start_process: Callable[..., subprocess.Popen[bytes]]
) -> None:
    def started() -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", LOOKS_UP_OFTEN]
        command += options(dataset, tmp_path, "--steps", "100000", "--save-every", "0")
        environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        return start_process(command, env=environment, stderr=subprocess.DEVNULL)

    def saved_since(before: int, process: subprocess.Popen[bytes]) -> bool:
        assert process.poll() is None
        return (tmp_path / FILE).exists() and (tmp_path / FILE).stat().st_mtime_ns > before

    process = started()
    until(lambda: saved_since(0, process), "a state is saved")
    process.kill()
    process.wait()
    first = RunState.read(tmp_path)
    assert first is not None
    assert first.step > 0
    before = (tmp_path / FILE).stat().st_mtime_ns
    process = started()
    until(lambda: saved_since(before, process), "the second run saves")
    process.send_signal(signal.SIGTERM)
    assert process.wait(HUNG) == STOPPED
    second = RunState.read(tmp_path)
    assert second is not None
    assert second.step > first.step
    assert all(value.isfinite().all() for value in second.average.values())
    assert torch.is_tensor(next(iter(second.learner.values())))
    assert (tmp_path / "model" / "weights.safetensors").exists()
