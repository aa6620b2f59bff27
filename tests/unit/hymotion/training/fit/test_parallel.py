"""Several processes, one model: real ones, over gloo on the loopback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from hymotion.training.errors import TrainingError
from hymotion.training.fit import parallel
from hymotion.training.fit.parallel import advice

ROOT = Path(__file__).parents[5]
SCRIPT = Path(__file__).parents[1] / "shared_run.py"


def shared(folder: Path, *runs: str) -> None:
    """Two processes' runs, see `shared_run.py`."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--local-addr", "127.0.0.1", "--nproc-per-node", "2", str(SCRIPT)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, str(folder), *runs], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]


def averaged(folder: Path, kind: str) -> dict[str, Tensor]:
    """The averaged weights of a run."""
    found: dict[str, Tensor] = torch.load(folder / kind / "averaged.pt", weights_only=True)
    return found


def test_a_sharded_run_that_was_cut_ends_as_a_replicated_one(tmp_path: Path) -> None:
    shared(tmp_path, "ddp=10", "fsdp=4", "fsdp=10")
    replicated, resumed = averaged(tmp_path, "ddp"), averaged(tmp_path, "fsdp")
    assert resumed.keys() == replicated.keys()
    assert all(torch.allclose(resumed[name], replicated[name], atol=1e-5) for name in resumed)


@pytest.mark.parametrize(
    ("card", "size", "kind"),
    [
        ("NVIDIA A100-SXM4-80GB", 4, "ddp"),
        ("Tesla V100-SXM2-32GB", 4, "ddp"),
        ("NVIDIA H100 80GB HBM3", 8, "ddp"),
        ("NVIDIA A10", 1, "none"),
        ("cpu", 2, "ddp"),
    ],
)
def test_the_kind_follows_the_card(card: str, size: int, kind: str) -> None:
    assert advice(card, size) == kind


def test_cards_without_nvlink_are_refused_together() -> None:
    with pytest.raises(TrainingError, match="2 processes on NVIDIA A10, which has no NVLink"):
        advice("NVIDIA A10", 2)


def test_sharing_needs_torchrun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(TrainingError, match="Start it with torchrun"):
        parallel.join("ddp", "cpu")


def test_processes_that_share_nothing_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(TrainingError, match="would all train the same"):
        parallel.join("none", "cpu")
