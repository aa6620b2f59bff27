"""The official encoder against the published computation in plain `transformers`."""

from pathlib import Path

import pytest
import torch

from hymotion import Request
from hymotion.pipeline import Pipeline
from hymotion.text.official import OfficialEncoder
from tests.official import make_clip, make_text_folder
from tests.unit.hymotion.text.plain import PlainEncoder

PROMPTS = [
    "a person walks forward",
    "",
    "someone jumps, turns around and sits down slowly, then waves with the left hand " * 3,
    "a",
    "walk " * 800,
    "\n\nwalk",
    " a person walks \n",
    "跳 😀 ñandú <think> {{ message }} {% raw %}",
    "\n",
]


@pytest.fixture(scope="module")
def plain(text_folder: Path) -> PlainEncoder:
    return PlainEncoder(text_folder)


def test_each_prompt_is_what_the_published_computation_gives(
    encoder: OfficialEncoder, plain: PlainEncoder
) -> None:
    for prompt, text in zip(PROMPTS, encoder.encode(PROMPTS), strict=True):
        wanted = plain.encode(prompt)
        assert text.length == wanted.length == len(text.ctxt)
        torch.testing.assert_close(text.ctxt, wanted.ctxt[: text.length], atol=2e-5, rtol=1e-5)
        torch.testing.assert_close(text.vtxt, wanted.vtxt, atol=2e-5, rtol=1e-5)


def test_what_melts_into_the_template_is_before_the_crop(encoder: OfficialEncoder) -> None:
    assert encoder._qwen is not None
    template = encoder._qwen.template
    melted, usual = template.tokens("\n\nwalk"), template.tokens("walk")
    assert tuple(melted[: template.crop_start]) != template.prefix
    assert melted[template.crop_start :] == usual[template.crop_start :]


def test_prompts_are_told_apart(encoder: OfficialEncoder) -> None:
    one, other = encoder.encode(["a person walks", "a person waits"])
    assert (one.vtxt - other.vtxt).abs().max() > 0.1
    assert (one.ctxt[-1] - other.ctxt[-1]).abs().max() > 0.1


def test_a_prompt_does_not_depend_on_its_neighbours(encoder: OfficialEncoder) -> None:
    together = encoder.encode(PROMPTS)
    for prompt, text in zip(PROMPTS, together, strict=True):
        (alone,) = encoder.encode([prompt])
        torch.testing.assert_close(alone.ctxt, text.ctxt, atol=2e-5, rtol=1e-5)
        torch.testing.assert_close(alone.vtxt, text.vtxt, atol=2e-5, rtol=1e-5)


def test_in_bfloat16_it_differs_from_the_published_by_rounding(text_folder: Path) -> None:
    encoder = OfficialEncoder.load(text_folder, device="cpu")
    exact = OfficialEncoder.load(text_folder, device="cpu", dtype="float32").encode(PROMPTS[:4])
    published = PlainEncoder(text_folder, dtype=torch.bfloat16)
    for prompt, text, right in zip(PROMPTS, encoder.encode(PROMPTS[:4]), exact, strict=False):
        theirs = published.encode(prompt).ctxt[: text.length].float()
        assert text.ctxt.dtype == torch.bfloat16
        assert text.vtxt.dtype == torch.float32
        ours, scale = text.ctxt.float(), right.ctxt.abs().max()
        assert (theirs - ours).abs().max() < 0.05 * scale
        # Ours is no farther from the exact numbers than theirs is.
        assert (ours - right.ctxt).norm() < 1.5 * (theirs - right.ctxt).norm()


@pytest.mark.parametrize("legacy_end", [True, False])
def test_the_end_of_a_text_is_found_by_old_and_new_configs(
    tmp_path: Path, legacy_end: bool
) -> None:
    from hymotion.text.clip import ClipEncoder

    folder = make_clip(tmp_path / "clip", legacy_end=legacy_end)
    clip = ClipEncoder.load(folder, device=torch.device("cpu"))
    long, short = clip.pooled(["walk and " * 200, "the walk"])
    assert torch.equal(clip.pooled(["the walk"])[0], short) or torch.allclose(
        clip.pooled(["the walk"])[0], short, atol=1e-5
    )
    from transformers import AutoTokenizer, CLIPTextModel

    tokens = AutoTokenizer.from_pretrained(folder)(
        "walk and " * 200, truncation=True, max_length=77, return_tensors="pt"
    )
    assert tokens["input_ids"].shape == (1, 77)
    with torch.no_grad():
        last = CLIPTextModel.from_pretrained(folder).eval()(**tokens).last_hidden_state[0, -1]
    torch.testing.assert_close(long, last, atol=2e-5, rtol=1e-5)


def test_the_mini_model_samples_with_it(mini: Pipeline, encoder: OfficialEncoder) -> None:
    texts = encoder.encode(["a person walks", "jump"])
    requests = [Request(frames=30, seed=1, conditioning=text, steps=2) for text in texts]
    walking, jumping = mini.sample(requests)
    assert walking.joints.shape == (30, 22, 3)
    assert abs(walking.joints - jumping.joints).max() > 1e-3


def test_other_widths_and_messages_can_be_made(tmp_path: Path) -> None:
    folder = make_text_folder(tmp_path / "text", ctxt_dim=16, vtxt_dim=8, message="Be brief.")
    encoder = OfficialEncoder.load(folder, device="cpu")
    (text,) = encoder.encode(["a person walks"])
    assert encoder.widths == text.widths == (8, 16)
