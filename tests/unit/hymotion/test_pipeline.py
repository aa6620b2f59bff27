"""The pipeline: packs, guidance, aborting, and numbers that are not numbers."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import hymotion
from hymotion import Request, TextConditioning
from hymotion.errors import DeviceError, EncoderMissingError, NumericsError, RequestError
from hymotion.pipeline import Pipeline

STEPS = 4

requests = st.builds(
    Request,
    frames=st.integers(20, 130),
    seed=st.integers(0, 1000),
    prompt=st.sampled_from(["", "walk", "a person jumps, then spins around twice and falls"]),
    steps=st.just(STEPS),
    guidance=st.sampled_from([0.0, 1.0, 2.5, 5.0]),
)


def denoise(pipeline: Pipeline, wanted: list[Request], **options: bool) -> list[Tensor]:
    texts = pipeline.encode([request.prompt or "" for request in wanted])
    return pipeline.denoise(wanted, texts, **options)  # type: ignore[arg-type]


def difference(a: Tensor, b: Tensor) -> float:
    return float((a - b).abs().max() / b.abs().max())


@settings(max_examples=8, deadline=None)
@given(st.lists(requests, min_size=2, max_size=4))
def test_a_pack_gives_what_each_gives_alone(lite: Pipeline, wanted: list[Request]) -> None:
    together = denoise(lite, wanted)
    for request, latent in zip(wanted, together, strict=True):
        assert latent.shape == (request.frames, 201)
        assert latent.dtype == torch.float32
        [alone] = denoise(lite, [request])
        assert difference(latent, alone) < 1e-4


@settings(max_examples=4, deadline=None)
@given(st.lists(requests, min_size=1, max_size=2))
def test_full_padding_gives_the_same(lite: Pipeline, wanted: list[Request]) -> None:
    pairs = zip(denoise(lite, wanted), denoise(lite, wanted, trim=False), strict=True)
    assert all(difference(trimmed, padded) < 1e-4 for trimmed, padded in pairs)


@pytest.mark.parametrize(("trim", "frames", "tokens"), [(True, 30, 3), (False, 360, 48)])
def test_only_what_is_wanted_is_computed(
    lite: Pipeline, trim: bool, frames: int, tokens: int
) -> None:
    sizes: list[tuple[int, ...]] = []
    field = lite._flow.motion_transformer
    hook = field.register_forward_pre_hook(
        lambda _, given: sizes.append((*given[0].shape[:2], given[2].tokens.shape[1]))
    )
    wanted = [
        Request(frames=20, seed=1, prompt="walk", steps=1, guidance=1.0),
        Request(frames=30, seed=1, prompt="jump up", steps=1, guidance=2.0),
    ]
    try:
        denoise(lite, wanted, trim=trim)
    finally:
        hook.remove()
    # Two conditional rows and one null row.
    assert sizes == [(3, frames, tokens)]


def test_the_same_request_gives_the_same_bits(full: Pipeline) -> None:
    request = Request(frames=30, seed=5, prompt="walk", steps=STEPS)
    first, second = (full.sample([request])[0] for _ in range(2))
    assert np.array_equal(first.joints, second.joints)
    assert np.array_equal(first.rot6d, second.rot6d)


def test_prompt_seed_guidance_and_model_change_the_motion(full: Pipeline, lite: Pipeline) -> None:
    base = {"frames": 30, "seed": 5, "prompt": "walk", "steps": STEPS, "guidance": 5.0}
    motions = [
        pipeline.sample([Request(**{**base, **change})])[0].joints  # type: ignore[arg-type]
        for pipeline, change in (
            (full, {}),
            (full, {"prompt": "run"}),
            (full, {"seed": 6}),
            (full, {"guidance": 1.0}),
            (full, {"steps": 8}),
            (lite, {}),
        )
    ]
    for index, motion in enumerate(motions[1:], start=1):
        assert np.abs(motion - motions[0]).max() > 0.01, index


def test_guidance_of_one_ignores_the_null_features(golden_folder) -> None:  # type: ignore[no-untyped-def]
    pipeline = hymotion.load(golden_folder)
    text = TextConditioning(torch.ones(1, 24), torch.ones(6, 48), 4)

    def sample(guidance: float) -> Tensor:
        request = Request(frames=30, seed=1, conditioning=text, steps=STEPS, guidance=guidance)
        return pipeline.denoise([request], [text])[0]

    plain, guided = sample(1.0), sample(5.0)
    flow = pipeline._flow
    flow.null_vtxt_feat = torch.nn.Parameter(flow.null_vtxt_feat + 1.0, requires_grad=False)
    assert torch.equal(sample(1.0), plain)
    assert torch.equal(sample(0.0), plain)
    assert not torch.allclose(sample(5.0), guided)


def test_sample_takes_prompts_and_conditionings_together(lite: Pipeline) -> None:
    [walk] = lite.encode(["walk"])
    mixed = lite.sample(
        [
            Request(frames=25, seed=1, prompt="jump", steps=STEPS),
            Request(frames=30, seed=2, conditioning=walk, steps=STEPS),
            Request(frames=20, seed=3, prompt="run", steps=STEPS),
        ]
    )
    assert [motion.frames for motion in mixed] == [25, 30, 20]
    [alone] = lite.sample([Request(frames=30, seed=2, prompt="walk", steps=STEPS)])
    assert np.abs(mixed[1].joints - alone.joints).max() < 1e-4


def test_an_empty_pack_is_no_work(lite: Pipeline) -> None:
    assert lite.sample([]) == []


@pytest.mark.parametrize("mode", ["full", "lite"])
def test_motions_stand_near_the_ground(mode: str, request: pytest.FixtureRequest) -> None:
    pipeline: Pipeline = request.getfixturevalue(mode)
    motions = pipeline.sample(
        [
            Request(frames=60, seed=seed, prompt=prompt, steps=10)
            for seed, prompt in enumerate(["walk", "", "a cartwheel", "走る"])
        ]
    )
    for motion in motions:
        assert np.isfinite(motion.joints).all()
        assert motion.joints[..., 1].min() > -0.001
        assert motion.joints[..., 1].max() < 2.5
        assert np.abs(np.diff(motion.joints, axis=0)).max() < 0.5
        assert np.abs(np.diff(motion.joints, axis=0)).max() > 0.001
    walk = motions[0]
    assert 1.1 < walk.joints[:, 15, 1].min() < walk.joints[:, 15, 1].max() < 1.7


def test_callback_sees_every_step_and_may_abort(lite: Pipeline) -> None:
    seen: list[tuple[int, int]] = []
    request = Request(frames=20, seed=1, prompt="a", steps=3)
    lite.sample([request], on_step=lambda *step: seen.append(step))
    assert seen == [(1, 3), (2, 3), (3, 3)]
    stop = KeyError("the caller's own")

    def abort(step: int, total: int) -> None:
        raise stop

    with pytest.raises(KeyError) as caught:
        lite.sample([request], on_step=abort)
    assert caught.value is stop


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ([{"steps": 3}, {"steps": 4}], "steps"),
        ([{"frames": 361}], "frames"),
    ],
)
def test_packs_that_cannot_be(lite: Pipeline, wanted: list[dict[str, int]], field: str) -> None:
    pack = [
        Request(**{"frames": 20, "seed": 1, "prompt": "a", "steps": 3, **change})
        for change in wanted
    ]
    with pytest.raises(RequestError) as caught:
        lite.sample(pack)
    assert caught.value.field == field


def test_conditioning_of_another_model(lite: Pipeline, text_of_mini: TextConditioning) -> None:
    request = Request(frames=20, seed=1, conditioning=text_of_mini)
    with pytest.raises(RequestError, match="features"):
        lite.sample([request])
    with pytest.raises(RequestError, match="1 requests came with 0 conditionings"):
        lite.denoise([request], [])


def test_a_model_without_its_text_encoder(mini: Pipeline, text_of_mini: TextConditioning) -> None:
    with pytest.raises(EncoderMissingError, match="qwen3"):
        mini.sample([Request(frames=20, seed=1, prompt="walk")])
    request = Request(frames=20, seed=1, conditioning=text_of_mini, steps=2)
    assert mini.sample([request])[0].frames == 20


def test_an_encoder_of_one_s_own(golden_folder, text_of_mini) -> None:  # type: ignore[no-untyped-def]
    class Encoder:
        def encode(self, prompts: object) -> list[TextConditioning]:
            return [text_of_mini for _ in prompts]  # type: ignore[attr-defined]

    pipeline = hymotion.load(golden_folder, encoder=Encoder())
    assert pipeline.sample([Request(frames=20, seed=1, prompt="walk", steps=2)])[0].frames == 20


def test_overflow_names_the_requests(lite: Pipeline) -> None:
    good = Request(frames=20, seed=1, prompt="a", steps=3)
    texts = lite.encode(["a", "b", "c"])
    huge = TextConditioning(texts[1].vtxt * 1e38, texts[1].ctxt * 1e38, texts[1].length)
    with pytest.raises(NumericsError) as caught:
        lite.denoise([good] * 3, [texts[0], huge, texts[2]])
    assert caught.value.indices == (1,)
    assert caught.value.step == 1
    assert "requests 1 of the pack" in str(caught.value)


@pytest.mark.parametrize("device", ["cuda:63", "tpu", "", "cpu:1x"])
def test_devices_that_are_not_there(device: str) -> None:
    with pytest.raises(DeviceError):
        hymotion.load_bundled(device=device)


def test_types_that_are_not_there() -> None:
    with pytest.raises(DeviceError, match="bfloat16"):
        hymotion.load_bundled(dtype="int8")
