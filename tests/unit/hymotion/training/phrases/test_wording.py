"""Variants of prompts: other words, never another motion."""

import random
import re

import pytest

from hymotion.training.errors import MocapError
from hymotion.training.phrases.phrases import LINKS, SUBJECTS, own_texts
from hymotion.training.phrases.wording import FIXED, Wording, bare, gerund

TEXTS = own_texts()
WORDING = TEXTS.wording


@pytest.mark.parametrize(
    ("verb", "plain", "ing"),
    [
        ("walks", "walk", "walking"),
        ("does", "do", "doing"),
        ("goes", "go", "going"),
        ("has", "have", "having"),
        ("runs", "run", "running"),
        ("sits", "sit", "sitting"),
        ("squats", "squat", "squatting"),
        ("backflips", "backflip", "backflipping"),
        ("punches", "punch", "punching"),
        ("dances", "dance", "dancing"),
        ("boxes", "box", "boxing"),
        ("tosses", "toss", "tossing"),
        ("hurries", "hurry", "hurrying"),
        ("lies", "lie", "lying"),
        ("tiptoes", "tiptoe", "tiptoeing"),
        ("bows", "bow", "bowing"),
        ("leaps", "leap", "leaping"),
    ],
)
def test_verbs_have_their_forms(verb: str, plain: str, ing: str) -> None:
    assert bare(verb) == plain
    assert gerund(verb) == ing


@pytest.mark.parametrize(
    ("phrase", "form", "expected"),
    [
        ("walks forward and turns left", "bare", "walk forward and turn left"),
        ("walks forward and turns left", "progressive", "is walking forward and turning left"),
        ("crawls on hands and knees", "gerund", "crawling on hands and knees"),
        ("sits down, rests and stands up", "bare", "sit down, rest and stand up"),
        ("slowly walks ahead", "progressive", "is slowly walking ahead"),
        ("boxes, moving around", "gerund", "boxing, moving around"),
        ("is jogging", "gerund", "jogging"),
        ("is jogging", "progressive", "is jogging"),
        ("left punch", "progressive", "left punch"),
    ],
)
def test_all_verbs_of_a_phrase_change_and_no_nouns(phrase: str, form: str, expected: str) -> None:
    assert WORDING.formed(phrase, form) == expected


def test_every_phrase_has_a_verb_or_is_a_name() -> None:
    nameless = [p.phrase for p in TEXTS.phrases if not WORDING.has_verb(p.phrase)]
    assert set(nameless) == {
        *("left kick", "right kick", "left punch", "right punch"),
        *("zombie walk", "jumping jacks"),
    }


def fixed(text: str) -> list[str]:
    return [word for word in re.findall(r"[\w']+", text.lower()) if word in FIXED]


def test_no_variant_says_another_way_speed_or_order() -> None:
    chance = random.Random(3)
    prompts = [p.phrase for p in TEXTS.phrases if p.split == "train"]
    slips = 0
    for _ in range(4):
        for prompt in prompts:
            varied = WORDING.varied(prompt, chance)
            assert fixed(varied) == fixed(prompt), (prompt, varied)
            strange = set(re.findall(r"[a-z']{5,}", varied.lower())) - WORDING.words
            slips += bool(strange - {"studio", "empty", "outside", "outdoors", "alone", "camera"})
    assert 0.02 < slips / (4 * len(prompts)) < 0.2


def test_a_slip_gives_no_other_word_of_the_table() -> None:
    wording = Wording(("stairs", "stars", "sairs", "starss"))
    chance = random.Random(0)
    slipped = {wording._misspelt("stairs", chance) for _ in range(300)} - {"stairs"}
    assert len(slipped) > 4
    assert not slipped & wording.words


def test_drawn_prompts_name_their_own_side_only() -> None:
    chance = random.Random(5)
    for side, other in (("left", "right"), ("right", "left")):
        shows = [("kick", {"side": side}), ("walk_turn", {"direction": side})]
        prompts = [TEXTS.draw(shows, "train", chance) for _ in range(400)]
        assert not any(re.search(rf"\b{other}\b", prompt.lower()) for prompt in prompts)
        sides = [len(re.findall(rf"\b{side}\b", prompt.lower())) for prompt in prompts]
        # Some leave one side open; most name both.
        assert sum(count >= 2 for count in sides) > 200
        assert sum(count < 2 for count in sides) > 20


def test_held_out_prompts_are_held_out_phrases_word_for_word() -> None:
    chance = random.Random(6)
    first = TEXTS.phrases_of("walk", {"speed": "slow"}, "held")
    second = TEXTS.phrases_of("wave", {"side": "left"}, "held")
    every = {
        f"{subject}{one}{link}{two}"
        for subject in SUBJECTS["held"]
        for one in first
        for link in LINKS["held"]
        for two in second
    }
    shows = [("walk", {"speed": "slow"}), ("wave", {"side": "left"})]
    drawn = {TEXTS.draw(shows, "held", chance) for _ in range(200)}
    assert len(drawn) > 30
    assert drawn <= every


def test_drawing_is_the_same_for_the_same_chance_and_rich() -> None:
    shows: list[tuple[str, dict[str, str]]] = [("backflip", {})]
    draws = [
        [TEXTS.draw(shows, "train", c) for _ in range(200)] for c in map(random.Random, (1, 1))
    ]
    assert draws[0] == draws[1]
    assert len(set(draws[0])) > 150
    held = {p.phrase for p in TEXTS.phrases if p.action == "backflip" and p.split == "held"}
    assert not any(phrase in prompt for phrase in held for prompt in draws[0])


def test_an_action_without_phrases_is_refused() -> None:
    with pytest.raises(MocapError, match="no phrase"):
        TEXTS.draw([("fly", {})], "train", random.Random(0))
