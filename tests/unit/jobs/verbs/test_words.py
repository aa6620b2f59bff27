"""Forms of a verb share a stem, forms of different verbs do not; a word has one class."""

from __future__ import annotations

from collections import Counter
from importlib.resources import files
from itertools import combinations

import pytest

from jobs.verbs.words import is_known, known_stems, stem

VERBS = [
    ("walk", "walks", "walking", "walked"),
    ("clap", "claps", "clapping", "clapped"),
    ("dance", "dances", "dancing", "danced"),
    ("hurry", "hurries", "hurrying", "hurried"),
    ("punch", "punches", "punching", "punched"),
    ("box", "boxes", "boxing", "boxed"),
    ("lie", "lies", "lying", "lied"),
    ("kick", "kicks", "kicking", "kicked"),
    ("pass", "passes", "passing", "passed"),
    ("go", "goes", "going"),
    ("see", "sees", "seeing"),
    ("swing", "swings", "swinging"),
    ("feed", "feeds", "feeding"),
]


@pytest.mark.parametrize("forms", VERBS, ids=lambda forms: forms[0])
def test_all_forms_share_a_stem(forms: tuple[str, ...]) -> None:
    assert len(set(map(stem, forms))) == 1


def test_different_verbs_share_none() -> None:
    for first, second in combinations(VERBS, 2):
        assert stem(first[0]) != stem(second[0])


def test_hyphens_and_compounds_do_not_hide_a_verb() -> None:
    known = frozenset(map(stem, ["backflips", "steps"]))
    assert is_known("back-flips", known)
    assert is_known("side-steps", known)
    assert not is_known("side-swims", known)


def test_only_the_bundled_model_has_a_list() -> None:
    tiny = known_stems("tiny")
    assert tiny is not None
    assert is_known("walking", tiny)
    assert not is_known("juggling", tiny)
    assert not is_known("#", tiny)
    assert known_stems("null") is None
    assert known_stems("hy-motion-1.0") is None


def test_no_word_is_in_two_classes() -> None:
    table = files("jobs.verbs").joinpath("classes.tsv").read_text(encoding="utf-8")
    words = Counter(word for line in table.splitlines() for word in line.split("\t")[2].split())
    assert [word for word, count in words.items() if count > 1] == []
