"""The trained text encoder: order and sides matter, unknown words degrade gently."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hymotion.config import SubwordConfig
from hymotion.pipeline import Pipeline
from hymotion.text import SubwordEmbedding, SubwordEncoder
from hymotion.text.words import LONGEST_WORD, START, pieces_of, tokens_of

SIZES = SubwordConfig(width=24, buckets=512, max_tokens=12, ctxt_dim=20, vtxt_dim=16)
WORDS = (START, "a", "person", "turns", "left", "right", "then", "waves", "walks", "somersaults")


@pytest.fixture(scope="module")
def encoder() -> SubwordEncoder:
    torch.manual_seed(0)
    embedding = SubwordEmbedding(SIZES, words=len(WORDS))
    return SubwordEncoder(config=SIZES, embedding=embedding, vocabulary=WORDS)


def test_shapes_and_an_empty_prompt(encoder: SubwordEncoder) -> None:
    [some, none] = encoder.encode(["a person walks", ""])
    assert (some.vtxt.shape, some.ctxt.shape, some.length) == ((1, 16), (4, 20), 4)
    assert none.length == 1
    assert none.ctxt.isfinite().all()


def test_each_prompt_is_encoded_by_itself(encoder: SubwordEncoder) -> None:
    [alone] = encoder.encode(["a person walks"])
    beside = encoder.encode(["a person turns left then waves", "a person walks"])[1]
    assert torch.equal(alone.ctxt, beside.ctxt)
    assert torch.equal(alone.vtxt, beside.vtxt)


def test_sides_order_and_case(encoder: SubwordEncoder) -> None:
    left, right, before, after, loud = encoder.encode(
        ["turns left", "turns right", "walks then waves", "waves then walks", "Turns LEFT!"]
    )
    assert not torch.allclose(left.vtxt, right.vtxt, atol=1e-3)
    assert not torch.allclose(before.vtxt, after.vtxt, atol=1e-3)
    assert torch.equal(left.ctxt, loud.ctxt)


def test_an_unknown_word_is_nearer_to_its_relative_than_to_a_stranger(
    encoder: SubwordEncoder,
) -> None:
    # A word's own vector and its pieces' mean; training makes both mean something.
    known, relative, stranger = (
        encoder.encode([word])[0].ctxt[1] for word in ("somersaults", "somersaulting", "qxzjk")
    )
    assert (known - relative).norm() < (known - stranger).norm()
    assert encoder.unknown("a person somersaulting then waves") == ("somersaulting",)


def test_long_and_odd_prompts(encoder: SubwordEncoder) -> None:
    prompts = ["word " * 100_000, "走る人", "\ud800", "a" * 100_000, "…?!"]
    for text in encoder.encode(prompts):
        assert 1 <= text.length <= SIZES.max_tokens
        assert text.ctxt.isfinite().all()


def test_pieces_are_bounded() -> None:
    # 26 characters with the marks: 24 runs of 3, 23 of 4, 22 of 5.
    assert len(pieces_of("x" * 1000)) == 69
    assert pieces_of("x" * LONGEST_WORD) != pieces_of("x" * (LONGEST_WORD - 1))
    assert pieces_of("as") == ["<as", "as>", "<as>"]
    assert tokens_of("A person, walking", limit=3) == [START, "a", "person"]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(st.characters(), max_size=80), min_size=1, max_size=3))
def test_any_text_has_finite_features(lite: Pipeline, prompts: list[str]) -> None:
    for prompt, text in zip(prompts, lite.encode(prompts), strict=True):
        assert text.ctxt.isfinite().all()
        [alone] = lite.encode([prompt])
        assert torch.equal(alone.ctxt, text.ctxt)
        assert torch.equal(alone.vtxt, text.vtxt)


def test_a_misspelt_word_stays_near_and_another_side_does_not(lite: Pipeline) -> None:
    right, slip, other = lite.encode(
        ["a person does a backflip", "a person does a backflp", "a person does a cartwheel"]
    )
    assert (right.vtxt - slip.vtxt).norm() < 0.6 * (right.vtxt - other.vtxt).norm()
    left, right = lite.encode(["kicks with the left leg", "kicks with the right leg"])
    assert (left.vtxt - right.vtxt).norm() > 0.05 * left.vtxt.norm()


def test_a_word_is_read_with_its_neighbours(encoder: SubwordEncoder) -> None:
    # The same word in the same place; what stands beside it differs.
    before, other = encoder.encode(["left turns", "right turns"])
    assert (before.ctxt[2] - other.ctxt[2]).norm() > 0.01 * before.ctxt[2].norm()
    after, last = encoder.encode(["turns left", "turns right"])
    assert (after.ctxt[1] - last.ctxt[1]).norm() > 0.01 * after.ctxt[1].norm()
