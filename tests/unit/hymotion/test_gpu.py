"""The same numbers on an NVIDIA GPU; skipped where there is none."""

from pathlib import Path

import pytest
import torch

import hymotion
from hymotion import Request

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no NVIDIA GPU"),
]

PACK = [
    Request(frames=90, seed=1, prompt="a person walks", steps=10),
    Request(frames=40, seed=2, prompt="jump", steps=10, guidance=1.0),
    Request(frames=121, seed=3, prompt="", steps=10, guidance=2.0),
]


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [("float32", 1e-3), ("bfloat16", 0.2), ("float16", 0.05)]
)
def test_a_gpu_gives_what_the_cpu_gives(dtype: str, tolerance: float) -> None:
    cpu = hymotion.load_bundled("tiny", "full")
    gpu = hymotion.load_bundled("tiny", "full", device="cuda", dtype=dtype)
    texts = cpu.encode([request.prompt or "" for request in PACK])
    for there, here in zip(gpu.denoise(PACK, texts), cpu.denoise(PACK, texts), strict=True):
        assert there.device.type == "cpu"
        assert there.dtype == torch.float32
        assert (there - here).abs().max() <= tolerance * here.abs().max()


def test_a_checkpoint_loads_onto_a_gpu(golden_folder: Path) -> None:
    before = torch.cuda.memory_allocated()
    pipeline = hymotion.load(golden_folder, device="cuda:0", dtype="bfloat16")
    # Each tensor is rounded up to the allocator's 512 bytes.
    grown = torch.cuda.memory_allocated() - before
    assert pipeline.weight_bytes <= grown < 4 * pipeline.weight_bytes
