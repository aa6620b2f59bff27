"""When a number type breaks so many motions that a model goes on in float32."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.engine.fallback import DtypeFallback

Packs = list[tuple[int, int]]


def after(packs: Packs) -> DtypeFallback:
    """A fallback from float16 that was told of packs of (motions, resampled)."""
    fallback = DtypeFallback(model="hy-motion-1.0", dtype="float16")
    for motions, resampled in packs:
        fallback.note(motions, resampled=resampled)
    return fallback


@pytest.mark.parametrize(
    ("packs", "given_up"),
    [
        ([(8, 7)], None),  # too few to say anything
        ([(8, 8)], "float16"),
        ([(100, 0), (100, 8)], None),  # 4 %
        ([(100, 0), (100, 10)], None),  # 5 %: not above it
        ([(100, 0), (100, 11)], "float16"),
        ([(100, 4), (100, 4)], None),
        ([(100, 4), (40, 4)], "float16"),  # 8 of 140
        ([(100, 7), (200, 0), (100, 7)], None),  # the first are forgotten
        ([(1, 1)] * 7 + [(1, 0)] * 400, None),
        ([(1, 1)] * 8, "float16"),
        ([(8, 8), (10_000, 0)], "float16"),  # for good
    ],
)
def test_a_type_is_given_up_when_too_many_motions_break(packs: Packs, given_up: str | None) -> None:
    fallback = after(packs)
    assert fallback.given_up == given_up
    assert fallback.dtype == ("float16" if given_up is None else "float32")


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=30))
def test_a_type_is_never_given_up_within_its_limits(packs: list[tuple[int, int]]) -> None:
    fallback = after([])
    motions: list[bool] = []
    for good, bad in packs:
        motions = (motions + [False] * good + [True] * bad)[-200:]
        before = fallback.given_up
        fallback.note(good + bad, resampled=bad)
        too_many = sum(motions) >= 8 and sum(motions) / len(motions) > 0.05
        assert fallback.given_up == ("float16" if before or too_many else None)


def test_a_worker_goes_on_in_float32_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="worker.engine.fallback"):
        after([(16, 8), (8, 8)])
    [line] = caplog.messages
    assert "hy-motion-1.0: 8 of the latest 16 motions broke in float16" in line
    assert "--dtype float32" in line


def test_float32_has_nothing_to_fall_back_to(caplog: pytest.LogCaptureFixture) -> None:
    fallback = DtypeFallback(model="tiny", dtype="float32")
    fallback.note(100, resampled=100)
    assert (fallback.dtype, fallback.given_up) == ("float32", None)
    assert not caplog.messages
