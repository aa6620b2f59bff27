"""`benchmarks.gpu.precision` runs with small networks; its large ones have the published sizes."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks.gpu.randomflow import SIZES, SMALL, random_config, random_flow
from hymotion.conditioning import TextBatch, TextConditioning
from hymotion.network.flow import FlowModel

ROOT = Path(__file__).parents[2]
CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("name", "numbers"), [("random-full", 1_042_878_811), ("random-lite", 460_851_803)]
)
def test_random_networks_are_of_the_published_size(name: str, numbers: int) -> None:
    with torch.device("meta"):
        flow = FlowModel(random_config(SIZES[name]))
    assert sum(each.numel() for each in flow.state_dict().values()) == numbers


def test_a_deep_random_network_has_velocities_of_the_usual_size() -> None:
    torch.set_num_threads(1)
    config = random_config(replace(SMALL, feat_dim=128, num_layers=27))
    flow, again = (random_flow(config, device=CPU, seed=3) for _ in range(2))
    assert all(
        torch.equal(one, other)
        for one, other in zip(flow.parameters(), again.parameters(), strict=True)
    )
    generator = torch.Generator().manual_seed(0)
    text = TextConditioning(torch.ones(1, 24), torch.randn(9, 48, generator=generator), 9)
    x = torch.randn(2, 40, 201, generator=generator)
    with torch.inference_mode():
        frames = torch.tensor([40, 40])
        context = flow.prepare(TextBatch.of([text, text]), frames, length=40)
        velocity = flow.velocity(x, torch.tensor([0.1, 0.9]), context)
    assert 0.5 < velocity.std() < 2
    assert flow.mean.isfinite().all()


def test_a_run_in_miniature_compares_every_precision() -> None:
    command = [sys.executable, "-m", "benchmarks.gpu.precision", "--tiny", "--device", "cpu"]
    command += ["--models", "random-lite", "--motions", "2"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    apart = {line["precision"]: line for line in lines if "joints_mm" in line}
    assert set(apart) == {"float32", "bfloat16", "float16"}
    assert apart["float32"]["joints_mm"] < 0.01
    assert 0 < apart["float16"]["joints_mm"] < apart["bfloat16"]["joints_mm"] < 5
    assert all(line["broken"] == 0 for line in apart.values())
    timed = {(line["precision"], line["pack"]) for line in lines if "seconds_a_motion" in line}
    assert timed == {(name, pack) for name in apart for pack in (1, 2)}
    assert sum("guard_costs" in line for line in lines) == 2
