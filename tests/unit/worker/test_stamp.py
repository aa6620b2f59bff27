"""The sign of progress."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.stamp import Stamp

if TYPE_CHECKING:
    from tests.conftest import Ticker


def test_a_stamp_ages_until_it_is_touched(clock: Ticker) -> None:
    stamp = Stamp(clock)
    assert stamp.age() == 0
    clock.tick(7)
    assert stamp.age() == 7
    stamp.touch()
    assert stamp.age() == 0
