"""What is computed in what: the statistics, the residual streams, and products of float32."""

import math
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import hymotion
from hymotion import Request
from hymotion.conditioning import TextBatch, TextConditioning
from hymotion.device import PRECISIONS, _OldSwitch, find_dtype, find_precision
from hymotion.errors import DeviceError
from hymotion.network.attention import RMSNorm, additive
from hymotion.network.modulation import Modulation, add_gated, modulate
from hymotion.network.refiner import StreamNorm, TextRefiner
from hymotion.pipeline import Pipeline

HALVES = [torch.bfloat16, torch.float16]
DEVICES = [
    "cpu",
    pytest.param(
        "cuda",
        marks=[
            pytest.mark.gpu,
            pytest.mark.skipif(not torch.cuda.is_available(), reason="no NVIDIA GPU"),
        ],
    ),
]


def error(ours: Tensor, exact: Tensor) -> float:
    """In units of the largest number's last place in the type of `ours`."""
    ulp = torch.finfo(ours.dtype).eps * exact.abs().max().item()
    return float((ours.detach().double() - exact).abs().max()) / ulp


def running(values: Tensor) -> Tensor:
    """The sum over the last axis as a program would have it that adds in the type of `values`."""
    total = torch.zeros_like(values[..., 0])
    for value in values.unbind(-1):
        total = total + value
    return total[..., None]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", HALVES)
def test_softmax_adds_in_float32(dtype: torch.dtype, device: str) -> None:
    generator = torch.Generator().manual_seed(0)
    # Rows so long and flat that a sum of their weights stalls in half precision.
    keys = 4000
    q = 0.05 * torch.randn(1, 2, 3, 64, generator=generator)
    k = torch.randn(1, 2, keys, 64, generator=generator)
    v = 1 + 0.1 * torch.randn(1, 2, keys, 64, generator=generator)
    q, k, v = (each.to(device, dtype) for each in (q, k, v))
    allowed = (torch.arange(keys, device=device) < keys - 7)[None, None, None]
    mask = additive(allowed, dtype)
    scores = q.double() @ k.double().transpose(-1, -2) / 8 + mask.double()
    exact = scores.softmax(-1) @ v.double()
    ours = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    assert error(ours, exact) < 2
    weights = (scores - scores.amax(-1, keepdim=True)).exp().to(dtype)
    naive = (weights.double() @ v.double()) / running(weights).double()
    assert error(naive.to(dtype), exact) > 20


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", HALVES)
def test_the_norm_of_queries_and_keys_has_float32_statistics(
    dtype: torch.dtype, device: str
) -> None:
    norm = RMSNorm(4096).to(device, dtype)
    x = (3 + torch.randn(5, 4096, generator=torch.Generator().manual_seed(0))).to(device, dtype)
    exact = x.double() / (x.double().square().mean(-1, keepdim=True) + 1e-6).sqrt()
    assert error(norm(x), exact) < 1
    naive = x / (running(x.square()) / 4096 + 1e-6).sqrt()
    assert error(naive, exact) > 20


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", HALVES)
def test_the_norm_of_a_residual_stream_has_float32_statistics(
    dtype: torch.dtype, device: str
) -> None:
    # A large mean and a small deviation: half precision sees hardly any of the deviation.
    noise = torch.randn(2, 3, 256, generator=torch.Generator().manual_seed(0))
    x = (1000 + 0.5 * noise).to(device)
    wide = x.double()
    exact = (wide - wide.mean(-1, keepdim=True)) / wide.std(-1, keepdim=True, correction=0)
    zero = torch.zeros(2, 1, 256, device=device)
    for grad in (False, True):
        with torch.set_grad_enabled(grad):
            ours = modulate(x, shift=zero, scale=zero, dtype=dtype)
            assert ours.dtype == dtype
            assert error(ours, exact) < 1
            assert error(StreamNorm(256, eps=1e-6).to(device, dtype)(x), exact) < 1
    assert error(F.layer_norm(x.to(dtype), (256,), eps=1e-6), exact) > 5


def test_a_small_scale_keeps_its_digits() -> None:
    modulation = Modulation(8, parts=3).bfloat16()
    with torch.no_grad():
        scale, *_ = modulation(torch.randn(1, 1, 8, dtype=torch.bfloat16))
    assert scale.dtype == torch.float32
    small = torch.full((1, 1, 8), 1e-3)
    x = torch.randn(1, 4, 8)
    zero = torch.zeros(1, 1, 8)
    plain, scaled = (
        modulate(x, shift=zero, scale=each, dtype=torch.float32) for each in (zero, small)
    )
    assert torch.allclose(scaled / plain, torch.tensor(1.001), rtol=1e-6)


@pytest.mark.parametrize("dtype", HALVES)
def test_a_stream_keeps_what_half_precision_would_lose(dtype: torch.dtype) -> None:
    stream = torch.full((1, 2, 4), 5000.0)
    update = torch.full((1, 2, 4), 0.5, dtype=dtype)
    for _ in range(10):
        stream = add_gated(stream, update, gate=torch.full((1, 1, 4), 0.25))
    assert stream.dtype == torch.float32
    assert (stream == 5001.25).all()
    large = torch.full((1, 2, 4), 40000.0, dtype=dtype)
    assert add_gated(stream, large, gate=torch.tensor(3.0)).max() > 120000


@pytest.mark.parametrize("dtype", HALVES)
def test_streams_are_float32_even_where_every_weight_is_half(
    dtype: torch.dtype, golden_folder: Path
) -> None:
    field = hymotion.load(golden_folder)._flow.motion_transformer.to(dtype)
    seen: list[torch.dtype] = []
    blocks = (
        *field.text_refiner.individual_token_refiner.blocks,
        *field.double_blocks,
        *field.single_blocks,
    )
    for block in blocks:
        block.register_forward_pre_hook(lambda _, given: seen.append(given[0].dtype))
        block.register_forward_hook(lambda *ran: seen.append(first(ran[2]).dtype))
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, 30, 201, generator=generator)
    words = TextConditioning(torch.ones(1, 24), torch.randn(5, 48, generator=generator), 5)
    with torch.inference_mode():
        context = field.prepare(TextBatch.of([words]), torch.tensor([30]), length=30)
        velocity = field(x, torch.tensor([0.5]), context)
    assert velocity.dtype == dtype
    assert len(seen) == 2 * len(blocks)
    assert set(seen) == {torch.float32}


def first(out: Tensor | tuple[Tensor, Tensor]) -> Tensor:
    return out if isinstance(out, Tensor) else out[0]


def test_the_mean_of_the_tokens_is_not_summed_in_half() -> None:
    refiner = TextRefiner(8, heads=2, hidden=16).half()
    seen: list[Tensor] = []
    refiner.context_encoder.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    tokens = torch.full((1, 128, 8), 1000.0).half()
    with torch.inference_mode():
        refiner.prepare(tokens, torch.tensor([128]), torch.zeros(1, 1, 1, 128).half())
    assert (seen[0] == 1000).all()


@pytest.mark.parametrize("mode", ["full", "lite"])
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_only_the_small_exact_parts_stay_float32(
    dtype: str, mode: str, request: pytest.FixtureRequest
) -> None:
    exact: Pipeline = request.getfixturevalue(mode)
    half = hymotion.load_bundled("tiny", mode, dtype=dtype)
    field = half._flow.motion_transformer
    kept = {id(each) for part in field.exact_parts for each in part.parameters()}
    kept.add(id(half._flow.null_vtxt_feat))
    for name, each in half._flow.named_parameters():
        wanted = torch.float32 if id(each) in kept else find_dtype(dtype)
        assert each.dtype == wanted, name
        original = exact._flow.get_parameter(name)
        if id(each) in kept:
            assert torch.equal(each, original), name
    more = sum(each.numel() for each in half._flow.parameters() if id(each) in kept)
    assert half.weight_bytes == exact.weight_bytes // 2 + 2 * more
    assert str(half.dtype) == f"torch.{dtype}"
    assert half.precision == dtype


def test_text_states_beyond_float16_do_not_matter(lite: Pipeline) -> None:
    # Lite's grow to 54 000, and beyond with other prompts: float16 ends at 65 504.
    half = hymotion.load_bundled("tiny", "lite", dtype="float16")
    prompts = ["a person walks forward", "punches, then kicks", "does a cartwheel"]
    wanted = [Request(frames=40, seed=1, prompt=prompt, steps=8) for prompt in prompts]
    for ours, exact in zip(half.sample(wanted), lite.sample(wanted), strict=True):
        assert abs(ours.joints - exact.joints).mean() < 0.005


@pytest.fixture
def matmul() -> Iterator[object]:
    switch = torch.backends.cuda.matmul
    yield switch
    switch.fp32_precision = "none"
    torch.backends.mkldnn.matmul.fp32_precision = "none"  # type: ignore[attr-defined]  # unknown to stubs


@pytest.mark.parametrize("before", ["none", "ieee", "tf32"])
@pytest.mark.parametrize("name", PRECISIONS)
def test_products_are_as_asked_and_the_process_as_before(  # type: ignore[no-untyped-def]  # a fixture's own type
    name: str, before: str, matmul
) -> None:
    matmul.fp32_precision = before
    cpu = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]  # unknown to stubs
    cpu.fp32_precision = "bf16"

    def stop() -> None:
        with find_precision(name).products():
            assert (matmul.fp32_precision == "tf32") == (name == "tf32")
            assert cpu.fp32_precision == "ieee"
            with find_precision("float32").products():
                assert matmul.fp32_precision != "tf32"
            assert (matmul.fp32_precision == "tf32") == (name == "tf32")
            raise KeyError

    with pytest.raises(KeyError):
        stop()
    assert matmul.fp32_precision == before
    assert cpu.fp32_precision == "bf16"


def test_a_switch_above_stays_in_force(matmul) -> None:  # type: ignore[no-untyped-def]  # a fixture's own type
    torch.backends.fp32_precision = "tf32"  # type: ignore[attr-defined]  # unknown to stubs
    try:
        with find_precision("float32").products():
            assert matmul.fp32_precision == "ieee"
        assert matmul.fp32_precision == "tf32"
        torch.backends.fp32_precision = "ieee"  # type: ignore[attr-defined]  # unknown to stubs
        # Nothing was pinned at what the switch above had said.
        assert matmul.fp32_precision == "ieee"
    finally:
        torch.backends.fp32_precision = "none"  # type: ignore[attr-defined]  # unknown to stubs


def test_before_torch_2_9_there_was_one_switch() -> None:
    before = torch.get_float32_matmul_precision()
    try:
        for given in ("highest", "high"):
            torch.set_float32_matmul_precision(given)
            for tf32 in (False, True):
                with _OldSwitch().of(tf32=tf32):
                    wanted = "high" if tf32 else "highest"
                    assert torch.get_float32_matmul_precision() == wanted
            assert torch.get_float32_matmul_precision() == given
    finally:
        torch.set_float32_matmul_precision(before)


def test_sampling_in_float32_is_float32_whatever_the_process_is_set_to(  # type: ignore[no-untyped-def]  # a fixture's own type
    lite: Pipeline, matmul
) -> None:
    matmul.fp32_precision = "tf32"
    seen: list[str] = []
    lite.sample(
        [Request(frames=20, seed=1, prompt="a", steps=2)],
        on_step=lambda *_: seen.append(matmul.fp32_precision),
    )
    assert seen == ["ieee", "ieee"]
    assert matmul.fp32_precision == "tf32"


def test_tf32_is_refused_where_there_is_none() -> None:
    with pytest.raises(DeviceError, match="cpu has no TensorFloat-32"):
        hymotion.load_bundled("tiny", "lite", dtype="tf32")
    with pytest.raises(DeviceError, match="not a number type"):
        find_dtype("tf32")
    assert find_precision("tf32").dtype == torch.float32


def test_pooled_text_is_not_rounded(lite: Pipeline) -> None:
    half = hymotion.load_bundled("tiny", "lite", dtype="bfloat16")
    seen: list[torch.dtype] = []
    field = half._flow.motion_transformer
    hooks = [
        part.register_forward_pre_hook(lambda _, given: seen.append(given[0].dtype))
        for part in (field.vtxt_encoder, field.ctxt_encoder, field)
    ]
    half.sample([Request(frames=20, seed=1, prompt="a", steps=1, guidance=2.0)])
    for hook in hooks:
        hook.remove()
    # In the order of the calls: tokens, pooled text, state.
    assert seen == [torch.bfloat16, torch.float32, torch.float32]


def test_the_cpu_finds_a_tensor_s_largest_number_with_nan() -> None:
    assert math.isnan(torch.linalg.vector_norm(torch.tensor([1.0, math.nan, 9.0]), math.inf))
