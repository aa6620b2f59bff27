"""Row ids and batch names, and duplicate rows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.promptfile.identity import MAX_NAME, Identities, fault, safe_name


@pytest.mark.parametrize("name", ["a", "7", "_x", "walk-01", "v1.2", "A..b", "x" * 100, "console"])
def test_names_taken(name: str) -> None:
    assert fault(name) is None


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../../x", "a/b", "a\\b", "/etc", "C:x", "-rf", ".hidden", "trailing.",
     "trailing ", " lead", "a b", "x" * 101, "x" * 300, "CON", "con", "nul.txt", "com1.txt", "LPT9",
     "Aux.tar.gz", "ünder", "ａ", "a\x00", "a\n", "a;b", "$(x)", "a*", "a?", "~", "%41",
     "a\u202eb"],
)  # fmt: skip
def test_names_refused(name: str) -> None:
    assert fault(name)


@pytest.mark.parametrize(
    ("stem", "name"),
    [("prompts", "prompts"), ("my prompts (2)", "my-prompts-2-"), ("..", "batch"),
     ("", "batch"), (".hidden", "hidden"), ("-x", "x"), ("con", "batch-con"), ("走る", "batch"),
     ("x" * 300, "x" * 100), ("a.", "a"), ("été", "t")],
)  # fmt: skip
def test_default_batch_names(stem: str, name: str) -> None:
    # A trailing dash is harmless in a file name, so it may stay or go.
    assert safe_name(stem).rstrip("-") == name.rstrip("-")


@given(st.text(max_size=200))
def test_a_default_batch_name_is_always_valid(stem: str) -> None:
    assert fault(safe_name(stem)) is None
    assert len(safe_name(stem)) <= MAX_NAME


def test_the_same_id_and_seed_is_taken_once_whatever_its_case() -> None:
    identities = Identities()
    assert identities.claim("Walk", 0, 1, 2) is None
    assert identities.claim("walk", 0, 1, 3) == 2
    assert identities.claim("WALK", 1, 1, 4) is None
    assert identities.claim("walk2", 0, 1, 5) is None


def test_ranges_of_seeds_clash_where_they_overlap() -> None:
    identities = Identities()
    assert identities.claim("a", 10, 5, 1) is None
    assert identities.claim("a", 0, 10, 2) is None
    assert identities.claim("a", 15, 1, 3) is None
    assert identities.claim("a", 14, 1, 4) == 1
    assert identities.claim("a", 5, 20, 5) in (1, 2, 3)
    assert identities.claim("a", 9, 1, 6) == 2
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
