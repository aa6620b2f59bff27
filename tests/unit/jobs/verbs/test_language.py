"""Prompts in other languages are distinguished from English ones, even from terse ones."""

from __future__ import annotations

import pytest

from jobs.verbs.matcher import is_foreign, tag


@pytest.mark.parametrize(
    "prompt",
    [
        "Eine Person geht langsam rückwärts und winkt mit der linken Hand",
        "Un homme court vers la gauche, puis saute",
        "una persona camina hacia adelante y salta",
        "una donna cammina e poi si siede",
        "uma pessoa anda para a frente",
        "een man loopt achteruit",
        "osoba idzie do przodu",
        "bir kişi yürüyor",
        "一个人向前走", "人が歩く", "Человек идёт вперёд", "사람이 걷는다", "شخص يمشي",
    ],
)  # fmt: skip
def test_other_languages_are_known(prompt: str) -> None:
    assert is_foreign(tag(prompt)[1])


@pytest.mark.parametrize(
    "prompt",
    [
        "A person walks forward", "walk", "karate kick combination left", "moonwalk", "tai chi",
        "a person does a plié and a relevé", "pas de deux", "café walk", "déjà vu jump",
        "a person die", "the man says: das ist gut", "a person 走る", "he’s waving",
        "", "...", "🙂", "12",
    ],
)  # fmt: skip
def test_english_passes(prompt: str) -> None:
    assert not is_foreign(tag(prompt)[1])
