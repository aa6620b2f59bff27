"""Duplicate rows."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jobs.promptfile.identity import Identities


def test_the_same_id_and_seed_is_taken_once_whatever_its_case() -> None:
    identities = Identities()
    assert identities.claim("Walk", 0, 1, 2) is None
    assert identities.claim("walk", 0, 1, 3) == (2, True)
    assert identities.claim("Walk", 0, 1, 3) == (2, False)
    assert identities.claim("WALK", 1, 1, 4) is None
    assert identities.claim("walk2", 0, 1, 5) is None
    assert identities.claim("caf\u00e9", 0, 1, 6) is None
    assert identities.claim("CAFE\u0301", 0, 1, 7) == (6, True)
    assert identities.claim("caf\u00e9", 0, 1, 7) == (6, False)


def test_ranges_of_seeds_clash_where_they_overlap() -> None:
    identities = Identities()
    assert identities.claim("a", 10, 5, 1) is None
    assert identities.claim("a", 0, 10, 2) is None
    assert identities.claim("a", 15, 1, 3) is None
    assert identities.claim("a", 14, 1, 4) == (1, False)
    wide = identities.claim("a", 5, 20, 5)
    assert wide is not None
    assert wide.line in (1, 2, 3)
    assert identities.claim("a", 9, 1, 6) == (2, False)
    assert identities.claim("a", 16, 3, 7) is None


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 8)), max_size=20))
def test_clashes_are_those_of_a_plain_set(ranges: list[tuple[int, int]]) -> None:
    identities = Identities()
    taken: set[int] = set()
    for line, (seed, seeds) in enumerate(ranges):
        wanted = set(range(seed, seed + seeds))
        holder = identities.claim("a", seed, seeds, line)
        assert (holder is not None) == bool(wanted & taken)
        if holder is None:
            taken |= wanted
