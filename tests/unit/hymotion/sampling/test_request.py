"""Requests: what is refused, with the field in the error."""

import pytest

from hymotion import Request, TextConditioning
from hymotion.errors import HymotionError, RequestError


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("frames", 19),
        ("frames", -1),
        ("frames", 60.0),
        ("frames", "60"),
        ("frames", True),
        ("seed", -1),
        ("seed", 2**63),
        ("seed", None),
        ("steps", 0),
        ("steps", 1001),
        ("guidance", float("nan")),
        ("guidance", float("inf")),
        ("guidance", -0.1),
        ("guidance", 101),
        ("guidance", "5"),
        ("guidance", True),
        ("prompt", 5),
        ("prompt", b"a"),
        ("prompt", ["a"]),
    ],
)
def test_out_of_range(field: str, value: object) -> None:
    arguments = {"frames": 60, "seed": 1, "prompt": "a", field: value}
    with pytest.raises(RequestError) as caught:
        Request(**arguments)  # type: ignore[arg-type]
    assert caught.value.field == field
    assert caught.value.value is value
    assert isinstance(caught.value, HymotionError)


def test_exactly_one_of_prompt_and_conditioning(text_of_mini: TextConditioning) -> None:
    for arguments in ({}, {"prompt": "a", "conditioning": text_of_mini}):
        with pytest.raises(RequestError, match="exactly one"):
            Request(frames=60, seed=1, **arguments)  # type: ignore[arg-type]


def test_limits_are_allowed() -> None:
    Request(frames=20, seed=0, prompt="", steps=1, guidance=0)
    Request(frames=360, seed=2**63 - 1, prompt="x" * 10_000, steps=1000, guidance=100.0)
