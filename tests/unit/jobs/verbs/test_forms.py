"""Forms of a verb share a stem, forms of different verbs do not."""

from __future__ import annotations

from itertools import combinations

import pytest

from jobs.verbs.forms import stems
from jobs.verbs.known import KnownVerbs, known_verbs

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
]


@pytest.mark.parametrize("forms", VERBS, ids=lambda forms: forms[0])
def test_all_forms_share_the_bare_one(forms: tuple[str, ...]) -> None:
    for form in forms:
        assert forms[0] in stems(form), form


def test_different_verbs_share_none() -> None:
    for first, second in combinations(VERBS, 2):
        for form in first:
            for other in second:
                assert not stems(form) & stems(other), (form, other)


def test_one_form_makes_all_of_them_known() -> None:
    for forms in VERBS:
        for taught in forms[1:3]:
            known = KnownVerbs([taught])
            assert [form for form in forms if form not in known] == []
        for others in VERBS:
            assert all((form in KnownVerbs([forms[1]])) == (others is forms) for form in others)


def test_hyphens_and_compounds_do_not_hide_a_verb() -> None:
    known = KnownVerbs(["backflips", "steps"])
    assert "back-flips" in known
    assert "side-steps" in known
    assert "side-swims" not in known
    assert 7 not in known


def test_only_the_bundled_model_has_a_list() -> None:
    tiny = known_verbs("tiny")
    assert tiny is not None
    assert "walking" in tiny
    assert "juggling" not in tiny
    assert "#" not in tiny
    assert known_verbs("null") is None
    assert known_verbs("hy-motion-1.0") is None
