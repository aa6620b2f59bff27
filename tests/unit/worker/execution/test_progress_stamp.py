"""The sign of progress."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.execution.progress_stamp import ProgressStamp

if TYPE_CHECKING:
    from tests.conftest import Ticker


def test_a_stamp_ages_until_it_is_touched(clock: Ticker) -> None:
    stamp = ProgressStamp(clock)
    assert stamp.age() == 0
    clock.tick(7)
    assert stamp.age() == 7
    stamp.touch()
    assert stamp.age() == 0


def test_what_is_allowed_counts_as_progress_for_so_long_and_no_longer(clock: Ticker) -> None:
    stamp = ProgressStamp(clock)
    clock.tick(50)
    with stamp.allow(600):
        clock.tick(599)
        assert stamp.age() == 0
        clock.tick(31)
        assert stamp.age() == 30
    assert stamp.age() == 0
    clock.tick(5)
    assert stamp.age() == 5
