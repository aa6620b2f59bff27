"""Findings are added up by verb, whatever the form, and named by their rows."""

from __future__ import annotations

import pytest

from jobs.verbs import unfamiliar
from jobs.verbs.unfamiliar import ROWS, Rows, UnseenVerb, Watch


def test_forms_of_a_verb_count_as_one_and_rows_are_in_order() -> None:
    watch = Watch()
    for row, prompt in enumerate(["a person juggles", "he is juggling and juggles", "walks"], 1):
        watch.add("tiny", row, prompt)
    watch.add("tiny", 4, "a person salutes")
    watch.add("tiny", 5, "juggle three balls")
    (found,) = watch.found()
    assert found.model == "tiny"
    assert found.foreign == Rows(0, ())
    assert found.verbs == (
        UnseenVerb("juggles", Rows(3, (1, 2, 5))),
        UnseenVerb("salutes", Rows(1, (4,))),
    )


def test_a_file_that_the_model_knows_leaves_nothing() -> None:
    watch = Watch()
    watch.add("tiny", 1, "a person walks forward")
    watch.add("null", 2, "a person juggles")
    watch.add("hy-motion-1.0", 3, "eine Person geht nach links")
    assert watch.found() == ()


def test_rows_in_another_language_are_not_searched_for_verbs() -> None:
    watch = Watch()
    watch.add("tiny", 3, "una persona is juggling con los ojos y las manos")
    (found,) = watch.found()
    assert (found.verbs, found.foreign) == ((), Rows(1, (3,)))


def test_memory_is_bounded_and_everything_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unfamiliar, "_KEPT", 5)
    monkeypatch.setattr(unfamiliar, "_NAMES", 40)
    monkeypatch.setattr(unfamiliar, "VERBS", 30)
    watch = Watch()
    letters = [a + b for a in "bcdfgklmnp" for b in "aeiou"]
    for row, letter in enumerate(letters * 2, 1):
        watch.add("tiny", row, f"a person zz{letter}zzes")
        watch.add("tiny", row, "a person juggles")
    (found,) = watch.found()
    assert len(found.verbs) == 30
    assert found.verbs[0] == UnseenVerb("juggles", Rows(100, tuple(range(1, ROWS + 1))))
    assert {verb.rows.count for verb in found.verbs[1:]} == {2}
