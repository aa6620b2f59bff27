"""A language model of int8 or int4 weights."""

from pathlib import Path

import pytest
import torch

from hymotion.text.official import OfficialEncoder
from tests.official import make_text_folder

pytest.importorskip("torchao", reason="the extra quantised is not installed")

PROMPTS = ["a person walks forward", "", "someone jumps, turns around and sits down slowly"]


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("quantised") / "text"
    return make_text_folder(folder, ctxt_dim=256)


def check(folder: Path, kind: str, *, device: str, smaller: float, apart: float) -> None:
    whole = OfficialEncoder.load(folder, device=device)
    small = OfficialEncoder.load(folder, device=device, quantise=kind)
    assert small.revision == f"{whole.revision}+{kind}"
    assert small.weight_bytes < smaller * whole.weight_bytes
    for text, exact in zip(small.encode(PROMPTS), whole.encode(PROMPTS), strict=True):
        assert text.length == exact.length
        assert torch.equal(text.vtxt, exact.vtxt)
        ours, theirs = text.ctxt.float(), exact.ctxt.float()
        assert 0 < (ours - theirs).norm() < apart * theirs.norm()


def test_int8_is_smaller_and_close(wide: Path) -> None:
    check(wide, "int8", device="cpu", smaller=0.7, apart=0.1)


def test_int8_does_not_depend_on_neighbours(wide: Path) -> None:
    encoder = OfficialEncoder.load(wide, device="cpu", dtype="float32", quantise="int8")
    assert encoder.revision.endswith("+float32+int8")
    for prompt, text in zip(PROMPTS, encoder.encode(PROMPTS), strict=True):
        (alone,) = encoder.encode([prompt])
        torch.testing.assert_close(alone.ctxt, text.ctxt, atol=1e-4, rtol=1e-4)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no NVIDIA GPU")
@pytest.mark.parametrize(("kind", "apart"), [("int8", 0.1), ("int4", 0.5)])
def test_on_a_gpu(tmp_path: Path, kind: str, apart: float) -> None:
    # The kernel of int4 pads a layer's inputs to 1024.
    folder = make_text_folder(tmp_path / "text", ctxt_dim=1024)
    check(folder, kind, device="cuda", smaller=0.7, apart=apart)
