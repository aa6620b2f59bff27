"""Memory estimates, memory classes and queue names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.domain.memory import (
    GIB,
    LADDER_GIB,
    MemoryProfile,
    class_gib,
    classes_within,
    next_class,
    queue_name,
)

PROFILE = MemoryProfile(weights=10 * GIB, trajectory=4 * GIB, attention=2 * GIB, loader=GIB)


def test_need_grows_as_the_published_form_says():
    assert PROFILE.need(100) == (10 + 1 + 4 + 2) * GIB
    assert PROFILE.need(200) == (10 + 1 + 4 * 4 + 2 * 2) * GIB
    assert PROFILE.need(50) == (10 + 1 + 1 + 1) * GIB
    assert PROFILE.need(100, pack=3) == (10 + 1 + 3 * 6) * GIB


@given(st.integers(20, 360), st.integers(20, 360))
def test_a_longer_motion_never_needs_less(one, other):
    assert (PROFILE.need(one) <= PROFILE.need(other)) == (one <= other)


@pytest.mark.parametrize(
    ("need", "step"),
    [(1, 1), (GIB, 1), (GIB + 1, 2), (5 * GIB, 6), (24 * GIB, 24), (24 * GIB + 1, 32),
     (512 * GIB, 512), (512 * GIB + 1, 513), (1000 * GIB, 1000)],
)  # fmt: skip
def test_the_class_is_the_smallest_step_that_holds_the_need(need, step):
    assert class_gib(need) == step


@given(st.integers(1, 600 * GIB))
def test_a_class_holds_what_it_is_named_after(need):
    step = class_gib(need)
    assert need <= step * GIB
    assert step in LADDER_GIB or step > LADDER_GIB[-1]
    smaller = [s for s in LADDER_GIB if s < step]
    assert not smaller or smaller[-1] * GIB < need or step > LADDER_GIB[-1]


def test_the_ladder_climbs():
    assert list(LADDER_GIB) == sorted(set(LADDER_GIB))
    assert [next_class(gib) for gib in (1, 7, 8, 24, 384)] == [2, 8, 10, 32, 512]
    assert next_class(512) == 1024
    assert all(next_class(gib) > gib for gib in range(1, 2000))


@pytest.mark.parametrize(
    ("budget", "classes"),
    [(0, ()), (GIB - 1, ()), (GIB, (1,)), (5 * GIB, (4, 3, 2, 1)), (8 * GIB, (8, 6, 4, 3, 2, 1))],
)
def test_classes_within_a_budget_are_biggest_first(budget, classes):
    assert classes_within(budget) == classes


@given(st.integers(12, 200), st.integers(0, 400))
def test_a_pack_at_its_limit_fits(gib, spare):
    """Each motion is as long as its class allows, at most the longest of all."""
    budget = (gib + spare) * GIB
    pack = PROFILE.pack_limit(gib, budget)
    fixed, longest = 11 * GIB, (gib - 11) * GIB
    if gib <= class_gib(PROFILE.need(360)):
        longest = min(longest, PROFILE.motion(360))
    assert pack >= 1
    assert fixed + pack * longest <= budget
    assert pack == 1 or fixed + (pack + 1) * longest > budget


SMALL = MemoryProfile(weights=2 * GIB, trajectory=0, attention=GIB // 25, loader=0)


def test_small_motions_are_packed_by_their_size_and_not_by_their_class():
    """Of the class of 3 GiB, a motion of at most 0.144 GiB takes 1 GiB only if it was raised."""
    assert class_gib(SMALL.need(100)) == class_gib(SMALL.need(360)) == 3
    assert SMALL.pack_limit(3, 8 * GIB) == 41
    assert SMALL.pack_limit(next_class(3), 8 * GIB) == 3


def test_a_queue_is_named_after_mode_and_class():
    assert queue_name("full", 24) == "hymo.full.24"
