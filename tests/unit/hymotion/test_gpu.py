"""The same numbers on an NVIDIA GPU; skipped where there is none."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import hymotion
from hymotion import Request
from hymotion.decoding.planting import GENERATED, planted
from hymotion.errors import NumericsError
from hymotion.sampling.guard import EXPLODING, LAG, Guard
from hymotion.sampling.solver import EulerSolver

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


@pytest.mark.parametrize("plant", [False, True])
def test_a_gpu_decodes_what_the_cpu_decodes_and_the_host_waits_for_nothing(plant: bool) -> None:
    cpu = hymotion.load_bundled("tiny", "full")
    latents = cpu.denoise(PACK, cpu.encode([request.prompt or "" for request in PACK]))
    here = replace(cpu.decoder, plant_feet=plant)
    there = replace(here, mean=here.mean.cuda(), std=here.std.cuda())
    for one, other in zip(there.decode(latents), here.decode(latents), strict=True):
        assert np.abs(one.joints - other.joints).max() < 1e-6
        assert np.abs(one.rot6d - other.rot6d).max() < 1e-6
    sampled = [latent.cuda() for latent in latents]
    torch.cuda.set_sync_debug_mode("error")
    try:
        pose, rows = there.pose(sampled)
        pose = there.lowered(pose, rows)
        if plant:
            pose = there.lowered(planted(pose, rows, GENERATED), rows)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    one, other = (
        pose.world.cpu(),
        torch.cat([torch.from_numpy(motion.joints) for motion in here.decode(latents)]),
    )
    assert (one - other).abs().max() < 1e-6


def test_a_checkpoint_loads_onto_a_gpu(golden_folder: Path) -> None:
    before = torch.cuda.memory_allocated()
    pipeline = hymotion.load(golden_folder, device="cuda:0", dtype="bfloat16")
    # Each tensor is rounded up to the allocator's 512 bytes.
    grown = torch.cuda.memory_allocated() - before
    assert pipeline.weight_bytes <= grown < 4 * pipeline.weight_bytes


@pytest.mark.parametrize("step", [1, 6, 7])
def test_the_guard_sees_within_two_steps_what_breaks_on_a_gpu(step: int) -> None:
    calls = 0

    def velocity(t: Tensor, state: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        flow = torch.ones_like(state)
        if calls == step:
            flow[3, 1, 5] = float("nan")
        return flow

    guard = Guard(total=7, limits=(EXPLODING,) * 8)
    with pytest.raises(NumericsError) as caught:
        EulerSolver(7).solve(velocity, torch.zeros(8, 4, 201, device="cuda"), watch=guard)
    assert (caught.value.step, caught.value.indices) == (step, (3,))
    assert calls <= step + LAG


def test_tf32_is_near_and_float32_is_exact_whatever_the_process_is_set_to() -> None:
    exact, rounded = (
        hymotion.load_bundled("tiny", "full", device="cuda", dtype=name)
        for name in ("float32", "tf32")
    )
    texts = exact.encode([request.prompt or "" for request in PACK])
    plain = exact.denoise(PACK, texts)
    matmul = torch.backends.cuda.matmul
    if hasattr(matmul, "fp32_precision"):
        before, matmul.fp32_precision = matmul.fp32_precision, "tf32"
        try:
            again = exact.denoise(PACK, texts)
        finally:
            matmul.fp32_precision = before
        assert all(torch.equal(one, other) for one, other in zip(plain, again, strict=True))
    for there, here in zip(rounded.denoise(PACK, texts), plain, strict=True):
        assert 0 < (there - here).abs().max() <= 0.05 * here.abs().max()


def stopped_eager(pipeline: hymotion.Pipeline) -> hymotion.Pipeline:
    """The pipeline without its fused field."""
    assert pipeline.eager_because == ""
    pipeline._fused = None
    return pipeline


@pytest.mark.parametrize("mode", ["full", "lite"])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-4), ("bfloat16", 0.1)])
def test_the_fused_path_gives_what_eager_gives(mode: str, dtype: str, tolerance: float) -> None:
    fused = hymotion.load_bundled("tiny", mode, device="cuda", dtype=dtype)
    eager = stopped_eager(hymotion.load_bundled("tiny", mode, device="cuda", dtype=dtype))
    texts = fused.encode([request.prompt or "" for request in PACK])
    for one, other in zip(fused.denoise(PACK, texts), eager.denoise(PACK, texts), strict=True):
        assert (one - other).abs().max() <= tolerance * other.abs().max()


def test_a_motion_alone_is_that_of_any_pack_in_the_fused_path() -> None:
    fused = hymotion.load_bundled("tiny", "full", device="cuda")
    texts = fused.encode([request.prompt or "" for request in PACK])
    together = fused.denoise(PACK, texts)
    for request, text, found in zip(PACK, texts, together, strict=True):
        (alone,) = fused.denoise([request], [text])
        assert (alone - found).abs().max() <= 1e-4 * alone.abs().max()


def test_a_fused_pack_can_be_stopped_and_is_guarded() -> None:
    fused = hymotion.load_bundled("tiny", "full", device="cuda")
    texts = fused.encode([request.prompt or "" for request in PACK])
    seen: list[int] = []

    def stop(step: int, _: int) -> None:
        seen.append(step)
        if step == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fused.denoise(PACK, texts, on_step=stop)
    assert seen == [1, 2, 3, 4]
    fused._flow.motion_transformer.final_layer.linear.bias.data[7] = float("inf")
    with pytest.raises(NumericsError) as caught:
        fused.denoise(PACK, texts)
    assert caught.value.indices == (0, 1, 2)


def test_a_kernel_that_is_wrong_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    from hymotion.network.fused import field

    def crooked(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return torch.nn.functional.linear(x, weight, bias)

    monkeypatch.setattr(field, "gelu_linear", crooked)
    assert "off by" in hymotion.load_bundled("tiny", "full", device="cuda").eager_because

    def broken(*_: Tensor) -> Tensor:
        raise RuntimeError("no such instruction\non this card")

    monkeypatch.setattr(field, "gelu_linear", broken)
    reason = hymotion.load_bundled("tiny", "full", device="cuda").eager_because
    assert reason == "its kernels failed: RuntimeError: no such instruction"


def test_packs_ask_the_driver_for_no_memory_once_they_have_it() -> None:
    fused = hymotion.load_bundled("tiny", "full", device="cuda", dtype="bfloat16")
    texts = fused.encode([request.prompt or "" for request in PACK])
    asked = []
    for _ in range(6):
        fused.denoise(PACK, texts)
        asked.append(torch.cuda.memory_stats()["num_device_alloc"])
    assert asked[2:] == [asked[2]] * 4


def test_a_step_is_recorded_though_all_memory_is_reserved_for_other_tensors() -> None:
    fused = hymotion.load_bundled("tiny", "full", device="cuda", dtype="bfloat16")
    texts = fused.encode([request.prompt or "" for request in PACK])
    wanted = fused.denoise(PACK, texts)
    fused = hymotion.load_bundled("tiny", "full", device="cuda", dtype="bfloat16")
    torch.cuda.empty_cache()
    _, total = torch.cuda.mem_get_info()
    limit = torch.cuda.memory_reserved() + 2**30
    torch.cuda.set_per_process_memory_fraction(limit / total)
    try:
        block = torch.empty(2**30 - 2**21, dtype=torch.uint8, device="cuda")
        del block  # torch keeps it
        for _ in range(2):
            found = fused.denoise(PACK, texts)
            assert all(torch.equal(one, other) for one, other in zip(found, wanted, strict=True))
        assert fused.eager_because == ""
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
