"""Distances by card and mode are measured only if there are enough motions."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from jobs.domain.attempts import Features
from jobs.monitoring import distance
from jobs.monitoring.distance import LEAST, MotionDistance, distances
from jobs.store.history.stats import AttemptFilter, StatsGroup

WANTED = AttemptFilter(batch_id=3)


def group(card: str, mode: str) -> StatsGroup:
    return StatsGroup(card=card, mode=mode, count=9, succeeded=9, measures={})


def shelf(**counts: int) -> Any:
    """A store with this many motions of each card, all of mode full."""

    def newest(card: str, mode: str, wanted: AttemptFilter, *, limit: int) -> tuple[Features, ...]:
        assert wanted is WANTED
        assert mode == "full"
        return tuple(Features("r", n, b"") for n in range(min(limit, counts[card])))

    return SimpleNamespace(features=SimpleNamespace(newest=newest))


def measured(features: Sequence[Features]) -> MotionDistance | None:
    """A measure that returns the number of motions as distance; it cannot measure 13 motions."""
    count = len(features)
    return None if count == 13 else MotionDistance(float(count), 0.0, 99.0, count, 142, "r")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each call of `plugged_in`."""
    found: list[int] = []

    def plugged_in() -> Any:
        found.append(1)
        return measured

    monkeypatch.setattr(distance, "plugged_in", plugged_in)
    return found


def test_groups_with_enough_motions_have_one(asked: list[int]) -> None:
    store = shelf(a=LEAST, b=LEAST - 1, c=13, d=30)
    found = distances(store, WANTED, [group(card, "full") for card in "abcd"], most=20)
    assert {card: one.motions for (card, _), one in found.items()} == {"a": LEAST, "d": 20}
    assert asked == [1], "it is made ready once"


def test_nothing_is_imported_without_need(asked: list[int]) -> None:
    assert distances(shelf(a=LEAST - 1), WANTED, [group("a", "full")]) == {}
    assert distances(shelf(), WANTED, []) == {}
    assert asked == []


def test_without_anything_that_measures_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distance, "plugged_in", lambda: None)
    assert distances(shelf(a=50), WANTED, [group("a", "full")]) == {}
    monkeypatch.undo()
    monkeypatch.setattr(distance, "PLUGINS", "hymo.nothing")
    assert distances(shelf(a=50), WANTED, [group("a", "full")]) == {}
