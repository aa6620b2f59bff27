"""Shares and their intervals."""

import pytest

from hymotion.evaluation.report import Share


@pytest.mark.parametrize(
    ("right", "count", "low", "high"),
    # Newcombe 1998, table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_the_interval_is_wilsons(right: int, count: int, low: float, high: float) -> None:
    assert Share(right=right, count=count).interval == pytest.approx((low, high), abs=5e-5)


def test_nothing_of_nothing_says_nothing() -> None:
    none = Share(right=0, count=0)
    assert (none.share, none.interval) == (0.0, (0.0, 1.0))
