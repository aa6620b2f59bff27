"""The hashed text encoder: any text, the same features everywhere, each prompt by itself."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hymotion.conditioning import TextBatch, TextConditioning
from hymotion.errors import RequestError
from hymotion.text import HashedEncoder

ENCODER = HashedEncoder(vtxt_dim=32, ctxt_dim=48, max_tokens=64)


@settings(max_examples=60)
@given(st.lists(st.text(st.characters(), max_size=80), min_size=1, max_size=3))
def test_any_text_has_finite_features(prompts: list[str]) -> None:
    together = ENCODER.encode(prompts)
    for prompt, text in zip(prompts, together, strict=True):
        assert text.widths == (32, 48)
        assert 1 <= text.length <= 64
        assert len(text.ctxt) == text.length
        [alone] = ENCODER.encode([prompt])
        assert torch.equal(alone.ctxt, text.ctxt)
        assert torch.equal(alone.vtxt, text.vtxt)


@pytest.mark.parametrize("prompt", ["", "   ", "\n\t", "\u200b", "\0", "\ud800", "👋🏽", "走る"])
def test_odd_prompts(prompt: str) -> None:
    [text] = ENCODER.encode([prompt])
    assert text.length >= 1


def test_case_spacing_and_composition_do_not_matter() -> None:
    texts = ENCODER.encode(["A café  waltz", "a cafe\u0301 waltz\n"])
    assert torch.equal(texts[0].ctxt, texts[1].ctxt)
    assert torch.equal(texts[0].vtxt, texts[1].vtxt)


def test_words_and_their_order_matter() -> None:
    first, second, third = ENCODER.encode(["jump then run", "run then jump", "jump then walk"])
    assert not torch.allclose(first.vtxt, second.vtxt)
    assert not torch.equal(first.ctxt, second.ctxt)
    assert not torch.equal(first.ctxt, third.ctxt)


def test_a_very_long_prompt_is_cut() -> None:
    [text] = ENCODER.encode(["walk " * 100_000])
    assert text.length == 64
    assert torch.equal(text.ctxt, ENCODER.encode(["walk " * 63])[0].ctxt)


def test_features_are_fixed_for_ever() -> None:
    # Drawn from SHA-3: a change would change every motion without changing any revision.
    [text] = ENCODER.encode(["walk"])
    assert text.ctxt[1, :3].tolist() == pytest.approx([-1.09694, -1.60945, -0.95549], abs=1e-5)


def test_features_have_unit_variance() -> None:
    texts = ENCODER.encode([f"word{number} again" for number in range(100)])
    assert torch.cat([text.ctxt for text in texts]).std().item() == pytest.approx(1, abs=0.1)
    assert torch.cat([text.vtxt for text in texts]).std().item() == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(
    ("vtxt", "ctxt", "length"),
    [
        (torch.ones(2, 3), torch.ones(4, 3), 1),
        (torch.ones(3), torch.ones(4, 3), 1),
        (torch.ones(1, 3), torch.ones(1, 4, 3), 1),
        (torch.ones(1, 3), torch.ones(4, 3), 0),
        (torch.ones(1, 3), torch.ones(4, 3), 5),
        (torch.full((1, 3), float("nan")), torch.ones(4, 3), 1),
        (torch.ones(1, 3), torch.full((4, 3), float("inf")), 1),
    ],
)
def test_conditioning_that_cannot_be(vtxt: torch.Tensor, ctxt: torch.Tensor, length: int) -> None:
    with pytest.raises(RequestError, match="text conditioning"):
        TextConditioning(vtxt, ctxt, length)


def test_batches_drop_what_lies_beyond_the_length() -> None:
    ctxt = torch.ones(4, 2)
    ctxt[2:] = float("nan")
    batch = TextBatch.of([TextConditioning(torch.ones(1, 3), ctxt, 2)], tokens=5)
    assert batch.ctxt[0].tolist() == [[1, 1], [1, 1], [0, 0], [0, 0], [0, 0]]
