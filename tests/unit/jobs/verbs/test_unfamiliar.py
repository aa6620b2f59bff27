"""Findings are counted by verb in any form, with their rows."""

from __future__ import annotations

import pytest

from jobs.verbs import unfamiliar
from jobs.verbs.unfamiliar import ROWS, PromptCheck, Rows


def test_forms_of_a_verb_count_as_one_and_rows_are_in_order() -> None:
    check = PromptCheck()
    for row, prompt in enumerate(["a person juggles", "he is juggling and juggles", "walks"], 1):
        check.add("tiny", row, prompt)
    check.add("tiny", 4, "a person salutes")
    check.add("tiny", 5, "juggle three balls")
    (found,) = check.found()
    assert found.model == "tiny"
    assert found.foreign == Rows(0, ())
    assert list(found.verbs.items()) == [
        ("juggles", Rows(3, (1, 2, 5))),
        ("salutes", Rows(1, (4,))),
    ]


def test_a_file_that_the_model_knows_leaves_nothing() -> None:
    check = PromptCheck()
    check.add("tiny", 1, "a person walks forward")
    check.add("null", 2, "a person juggles")
    check.add("hy-motion-1.0", 3, "eine Person geht nach links")
    assert check.found() == ()


def test_rows_in_another_language_are_not_searched_for_verbs() -> None:
    check = PromptCheck()
    check.add("tiny", 3, "una persona is juggling con los ojos y las manos")
    (found,) = check.found()
    assert (found.verbs, found.foreign) == ({}, Rows(1, (3,)))


def test_verbs_are_bounded_and_their_rows_are_all_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unfamiliar, "VERBS", 30)
    check = PromptCheck()
    letters = [a + b for a in "bcdfgklmnp" for b in "aeiou"]
    for row, letter in enumerate(letters * 2, 1):
        check.add("tiny", row, f"a person zz{letter}zzes")
        check.add("tiny", row, "a person juggles")
    (found,) = check.found()
    assert len(found.verbs) == 30
    assert next(iter(found.verbs.items())) == ("juggles", Rows(100, tuple(range(1, ROWS + 1))))
    assert {rows.count for verb, rows in found.verbs.items() if verb != "juggles"} == {2}
