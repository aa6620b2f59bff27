"""The velocity field: who sees whom, and that padding is of no consequence."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import hymotion
from hymotion.conditioning import TextBatch, TextConditioning
from hymotion.network.attention import joint_masks, split_heads
from hymotion.network.flow import FlowModel
from hymotion.network.rope import joint_positions, rotary_turns, rotate
from hymotion.pipeline import Pipeline
from hymotion.sampling.request import Request


def text(length: int, *, seed: int = 1, padding: int = 0) -> TextConditioning:
    generator = torch.Generator().manual_seed(seed)
    ctxt = torch.randn(length, 96, generator=generator)
    return TextConditioning(
        vtxt=torch.randn(1, 96, generator=generator),
        ctxt=torch.cat((ctxt, torch.full((padding, 96), float("nan")))),
        length=length,
    )


def noise(frames: int, seed: int = 0) -> Tensor:
    return torch.randn(1, frames, 201, generator=torch.Generator().manual_seed(seed))


def call(pipeline: Pipeline, x: Tensor, texts: list[TextConditioning], **sizes: int) -> Tensor:
    valid = sizes.get("valid", x.shape[1])
    batch = TextBatch.of(texts, tokens=sizes.get("tokens"))
    t = torch.full((len(x),), 0.3)
    return pipeline.velocity(x, t, batch, torch.full((len(x),), valid))


def close(a: Tensor, b: Tensor, tolerance: float = 1e-4) -> bool:
    return bool((a - b).abs().max() <= tolerance * b.abs().max())


@settings(max_examples=15, deadline=None)
@given(frames=st.integers(20, 90), padding=st.integers(1, 40), length=st.integers(1, 12))
def test_padding_changes_nothing(lite: Pipeline, frames: int, padding: int, length: int) -> None:
    words = text(length, padding=3)
    x = noise(frames + padding)
    trimmed = call(lite, x[:, :frames], [words])
    padded = call(lite, x, [words], valid=frames, tokens=length + padding)
    assert padded.isfinite().all()
    assert close(padded[:, :frames], trimmed)


def test_a_frame_sees_two_seconds_and_no_further(lite: Pipeline) -> None:
    x = noise(260)
    moved = x.clone()
    moved[:, 0] += 1.0
    change = (call(lite, x, [text(4)]) - call(lite, moved, [text(4)])).abs().amax(-1)[0]
    reach = 60 * lite.config.network.num_layers
    # Far frames are reached through several layers, and what is left by then may round to nothing.
    assert (change[:61] > 0).all()
    assert (change[reach + 1 :] == 0).all()


def test_the_band_is_60_frames_on_either_side() -> None:
    lengths = torch.tensor([100])
    mask = joint_masks(lengths, torch.tensor([2]), shape=(130, 3), band=60, dtype=torch.float32)[0][
        0, 0
    ]
    seen = mask[30] == 0
    assert seen[:91].all()
    assert not seen[91:130].any()
    assert seen[130:].tolist() == [True, True, False]
    # Padding frames see text, so no row is without a key.
    assert (mask == 0).any(-1).all()


def test_text_states_do_not_depend_on_motion(lite: Pipeline) -> None:
    states: list[Tensor] = []
    field = lite._flow.motion_transformer
    hooks = [
        field.double_blocks[-1].register_forward_hook(lambda *a: states.append(a[2][1])),
        field.single_blocks[-1].register_forward_hook(lambda *a: states.append(a[2][:, 40:])),
    ]
    try:
        call(lite, noise(40, 1), [text(5)])
        call(lite, noise(40, 2) * 3, [text(5)])
    finally:
        for hook in hooks:
            hook.remove()
    assert torch.equal(states[0], states[2])
    assert torch.equal(states[1], states[3])


def test_what_the_steps_share_is_computed_once_a_pack(lite: Pipeline) -> None:
    field = lite._flow.motion_transformer
    shared = (
        field.ctxt_encoder,
        field.vtxt_encoder,
        field.text_refiner.context_encoder,
        field.text_refiner.individual_token_refiner.blocks[0].self_attn_qkv,
    )
    calls = dict.fromkeys((*shared, field.double_blocks[0]), 0)

    def count(module: torch.nn.Module, *_: object) -> None:
        calls[module] += 1

    hooks = [module.register_forward_hook(count) for module in calls]
    try:
        guided = [Request(frames=20, seed=i, conditioning=text(3), guidance=2.0) for i in range(2)]
        lite.denoise(guided, [text(3), text(5)])
    finally:
        for hook in hooks:
            hook.remove()
    assert list(calls.values()) == [1, 1, 1, 1, lite.config.steps]


def test_a_step_reads_no_number_on_the_host(lite: Pipeline) -> None:
    # Tensors of the meta device have no numbers, so whatever asks for one fails.
    with torch.device("meta"):
        flow = FlowModel(lite.config)
        words = TextBatch(torch.ones(2, 1, 96), torch.ones(2, 5, 96), torch.tensor([5, 3]))
        context = flow.prepare(words, torch.tensor([40, 30]), length=40)
        velocity = flow.velocity(torch.ones(2, 40, 201), torch.ones(2), context)
    assert velocity.shape == (2, 40, 201)


def test_gradients_reach_the_text_through_the_context(lite: Pipeline) -> None:
    words = TextBatch.of([text(4)])
    inputs = words.vtxt.requires_grad_(), words.ctxt.requires_grad_()
    torch.manual_seed(0)
    flow = FlowModel(lite.config)
    context = flow.prepare(words, torch.tensor([20]), length=20)
    flow.velocity(noise(20), torch.tensor([0.3]), context).square().mean().backward()
    for each in (*inputs, *flow.motion_transformer.parameters()):
        assert each.grad is not None
        assert each.grad.abs().max() > 0


def test_text_positions_start_at_the_training_length() -> None:
    positions = joint_positions(3, 2, text_start=360, device=torch.device("cpu"))
    assert positions.tolist() == [0, 1, 2, 360, 361]


def test_every_input_matters(lite: Pipeline) -> None:
    base = call(lite, noise(40), [text(5)])
    words = text(5)
    other_token = words.ctxt.clone()
    other_token[4] += 1.0
    changes = {
        "x": call(lite, noise(40, 9), [words]),
        "vtxt": call(lite, noise(40), [TextConditioning(words.vtxt + 1, words.ctxt, 5)]),
        "ctxt": call(lite, noise(40), [TextConditioning(words.vtxt, other_token, 5)]),
        "length": call(lite, noise(40), [TextConditioning(words.vtxt, words.ctxt, 4)]),
        "order": call(lite, noise(40), [TextConditioning(words.vtxt, words.ctxt.flip(0), 5)]),
        "t": lite.velocity(
            noise(40), torch.tensor([0.31]), TextBatch.of([words]), torch.tensor([40])
        ),
    }
    for name, changed in changes.items():
        assert not torch.allclose(changed, base, rtol=1e-3, atol=1e-3), name


def test_rotary_scores_depend_on_the_distance_alone() -> None:
    generator = torch.Generator().manual_seed(0)
    q, k = torch.randn(2, 1, 1, 1, 32, generator=generator)

    def score(i: int, j: int) -> Tensor:
        turns = rotary_turns(torch.tensor([i, j]), 32)
        return (rotate(q, turns[:1]) * rotate(k, turns[1:])).sum()

    assert torch.allclose(score(3, 10), score(203, 210), atol=1e-4)
    assert not torch.allclose(score(3, 10), score(3, 11), atol=1e-2)


def test_rotary_turns_neighbouring_pairs() -> None:
    turns = rotary_turns(torch.tensor([1]), 4)
    x = torch.tensor([[[[1.0, 0.0, 1.0, 0.0]]]])
    slow = 10000.0**-0.5
    expected = torch.tensor([1.0, 1.0, slow, slow])
    cosine, sine = expected.cos(), expected.sin()
    turned = rotate(x, turns)[0, 0, 0]
    assert torch.allclose(turned, torch.stack((cosine[0], sine[0], cosine[2], sine[2])))


def test_heads_are_split_as_qkv_then_head_then_width() -> None:
    q, k, v = split_heads(torch.arange(24.0).reshape(1, 1, 24), heads=2)
    assert q[0, :, 0].tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert k[0, 1, 0].tolist() == [12, 13, 14, 15]
    assert v[0, 0, 0].tolist() == [16, 17, 18, 19]


@pytest.mark.parametrize("mode", ["full", "lite"])
@pytest.mark.parametrize(("dtype", "tolerance"), [("bfloat16", 0.05), ("float16", 0.005)])
def test_half_precision_is_near(
    dtype: str, tolerance: float, mode: str, request: pytest.FixtureRequest
) -> None:
    exact: Pipeline = request.getfixturevalue(mode)
    half = hymotion.load_bundled("tiny", mode, dtype=dtype)
    x = noise(40)
    assert close(call(half, x, [text(5)]), call(exact, x, [text(5)]), tolerance)
