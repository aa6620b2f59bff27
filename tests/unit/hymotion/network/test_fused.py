"""The fused field gives what the velocity field gives, with text shared and nothing padded."""

from collections.abc import Iterator, Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hymotion.conditioning import TextConditioning
from hymotion.network.fused.field import FusedField
from hymotion.network.fused.layout import Layout
from hymotion.network.fused.support import fused_on
from hymotion.pipeline import Pipeline
from hymotion.sampling.request import Request

CPU = torch.device("cpu")


@pytest.fixture(params=["full", "lite", "mini"])
def either(request: pytest.FixtureRequest) -> Pipeline:
    pipeline: Pipeline = request.getfixturevalue(request.param)
    return pipeline


@pytest.fixture
def fused(either: Pipeline) -> Iterator[Pipeline]:
    """A pipeline that takes the fused path although it is on a CPU."""
    either._fused = FusedField(either._flow.motion_transformer)
    yield either
    either._fused = None


def text(pipeline: Pipeline, length: int, seed: int) -> TextConditioning:
    generator = torch.Generator().manual_seed(seed)
    pooled, tokens = pipeline.text_widths
    return TextConditioning(
        vtxt=torch.randn(1, pooled, generator=generator),
        ctxt=torch.randn(length, tokens, generator=generator),
        length=length,
    )


def eager(pipeline: Pipeline, pack: Sequence[Request], texts: Sequence[TextConditioning]) -> list:
    fused, pipeline._fused = pipeline._fused, None
    try:
        return pipeline.denoise(pack, texts)
    finally:
        pipeline._fused = fused


def test_a_mixed_pack_is_that_of_the_field(fused: Pipeline) -> None:
    one, other = text(fused, 3, 1), text(fused, 7, 2)
    again = TextConditioning(one.vtxt.clone(), one.ctxt.clone(), one.length)
    texts = [one, other, again, other, one]
    pack = [
        Request(frames=frames, seed=seed, guidance=guidance, steps=3, conditioning=words)
        for seed, (frames, guidance, words) in enumerate(
            zip((30, 75, 64, 20, 75), (3.0, 1.0, 5.0, 2.5, 1.0), texts, strict=True)
        )
    ]
    for found, wanted in zip(fused.denoise(pack, texts), eager(fused, pack, texts), strict=True):
        assert found.shape == wanted.shape
        assert (found - wanted).abs().max() <= 1e-4 * wanted.abs().max()


def test_a_pack_without_guidance_has_no_null_text(
    fused: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, int]] = []
    prepare = FusedField.prepare

    def spied(self: FusedField, texts: object, **more: object) -> object:
        seen.append((len(more["lengths"]), len(more["frames"])))  # type: ignore[arg-type]
        return prepare(self, texts, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(FusedField, "prepare", spied)
    # Two of the prompts are equal, and so are all null texts that consist of null tokens.
    words = [text(fused, 4, 1), text(fused, 4, 1), text(fused, 6, 2)]
    for guidance in (1.0, 2.0):
        pack = [Request(frames=20, seed=0, guidance=guidance, steps=1, conditioning=words[0])] * 3
        for found, wanted in zip(
            fused.denoise(pack, words), eager(fused, pack, words), strict=True
        ):
            assert (found - wanted).abs().max() <= 1e-4 * wanted.abs().max()
    nulls = 1 if fused.config.null_ctxt else 2
    assert seen == [(2, 3), (2 + nulls, 6)]


@settings(max_examples=20)
@given(st.data())
def test_every_row_has_its_place(data: st.DataObject) -> None:
    lengths = data.draw(st.lists(st.integers(1, 9), min_size=1, max_size=4))
    sequences = data.draw(
        st.lists(
            st.tuples(st.integers(1, 200), st.integers(0, len(lengths) - 1)), min_size=1, max_size=5
        )
    )
    frames, owners = zip(*sequences, strict=True)
    tokens = [
        data.draw(st.integers(1, 12)) if lengths[owner] == 1 else lengths[owner] for owner in owners
    ]
    layout = Layout.of(frames, owners, lengths, tokens, device=CPU)
    assert layout.rows == sum(frames) + sum(lengths)
    table = layout.sequences.tolist()
    covered = []
    for number, block in layout.work.tolist():
        first, count, *_ = table[number]
        start = block * layout.queries
        covered += range(first + start, first + min(count, start + layout.queries))
    assert sorted(covered) == list(range(layout.rows))
    for (first, count, own, words, length, stride), owner, wanted in zip(
        table, [*owners, *range(len(lengths))], [*tokens, *lengths], strict=True
    ):
        assert set(layout.owner[first : first + count].tolist()) == {owner}
        assert length == wanted
        seen = {words + stride * index for index in range(length)}
        assert set(layout.owner[sorted(seen)].tolist()) == {owner}
        assert len(seen) == lengths[owner]
        assert own in {0, count}
    assert layout.tokens.tolist() == [
        number * max(lengths) + place
        for number, length in enumerate(lengths)
        for place in range(length)
    ]


def test_modulations_stay_usable_and_take_no_memory(lite: Pipeline) -> None:
    field = lite._flow.motion_transformer
    before = {name: weight.clone() for name, weight in field.named_parameters()}
    fused = FusedField(field)
    assert all(torch.equal(weight, before[name]) for name, weight in field.named_parameters())
    whole = fused._weight.untyped_storage().data_ptr()
    assert field.final_layer.adaLN_modulation.linear.weight.untyped_storage().data_ptr() == whole


def test_a_cpu_stays_eager(lite: Pipeline) -> None:
    assert fused_on(lite._flow.motion_transformer, CPU) == (None, "the device is no NVIDIA GPU")
    assert lite.eager_because == "the device is no NVIDIA GPU"


def test_a_pack_whose_kernels_fail_is_computed_without_them(
    fused: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = text(fused, 4, 1)
    pack = [Request(frames=30, seed=1, steps=3, conditioning=words)]
    (wanted,) = eager(fused, pack, [words])
    calls: list[int] = []

    def fails(*_: object) -> torch.Tensor:
        calls.append(1)
        raise RuntimeError("no kernel for this shape\nlong story")

    monkeypatch.setattr(type(fused._fused), "__call__", fails)
    (found,) = fused.denoise(pack, [words])
    assert torch.equal(found, wanted)
    assert fused.eager_because == "its kernels failed: RuntimeError: no kernel for this shape"
    fused.denoise(pack, [words])
    assert len(calls) == 1  # the next pack does not try them again
