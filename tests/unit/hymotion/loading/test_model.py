"""Loading moves weights a tensor at a time, and changes nothing by it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import hymotion
from hymotion.conditioning import TextBatch, TextConditioning
from hymotion.loading import model as loading
from hymotion.pipeline import Pipeline


def velocity(pipeline: Pipeline, text: TextConditioning) -> torch.Tensor:
    x = torch.randn(1, 30, 201, generator=torch.Generator().manual_seed(2))
    return pipeline.velocity(x, torch.tensor([0.3]), TextBatch.of([text]), torch.tensor([30]))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_what_was_moved_ahead_is_where_the_pipeline_would_have_it(
    golden_folder: Path,
    text_of_mini: TextConditioning,
    monkeypatch: pytest.MonkeyPatch,
    dtype: str,
) -> None:
    ahead = hymotion.load(golden_folder, dtype=dtype)
    monkeypatch.setattr(loading, "_move_ahead", lambda *_: None)
    plain = hymotion.load(golden_folder, dtype=dtype)
    first, second = ahead._flow.state_dict(), plain._flow.state_dict()
    assert {name: each.dtype for name, each in first.items()} == {
        name: each.dtype for name, each in second.items()
    }
    assert all(torch.equal(first[name], each) for name, each in second.items())
    assert torch.equal(velocity(ahead, text_of_mini), velocity(plain, text_of_mini))


def test_pages_go_as_their_numbers_are_converted(
    golden_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    released: list[int] = []
    named: list[Path] = []

    def release_of(files: list[Path]) -> object:
        named.extend(files)
        return lambda _address, size: released.append(size)

    monkeypatch.setattr(loading, "release_of", release_of)
    hymotion.load(golden_folder, dtype="float32")
    assert released == [], "what is used where it is mapped stays"
    pipeline = hymotion.load(golden_folder, dtype="bfloat16")
    half = [each for each in pipeline._flow.motion_transformer.parameters() if each.itemsize == 2]
    assert named == [golden_folder / "latest.ckpt"]
    assert sum(released) == 2 * sum(each.nbytes for each in half) > 1_500_000


def test_a_precision_that_a_device_has_not_is_refused_before_anything_is_read(
    tmp_path: Path,
) -> None:
    with pytest.raises(hymotion.errors.DeviceError, match="TensorFloat"):
        hymotion.load(tmp_path / "nowhere", dtype="tf32")
