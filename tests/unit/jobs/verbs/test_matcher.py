"""Verbs are distinguished from nouns and adjectives by their position."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.verbs.matcher import Verb, find_verbs, tag, unseen_verbs

EXAMPLES = Path(__file__).parents[4] / "examples" / "prompts.csv"


#: Words that the matcher treats specially, and any other text.
TEXTS = st.lists(
    st.sampled_from(
        [
            "a",
            "person",
            "is",
            "he’s",
            "JUGGLES",
            "juggling",
            "and",
            ",",
            "then",
            "begins",
            "to",
            ".",
        ]
    )
    | st.text(max_size=8)
).map(" ".join)


def verbs(prompt: str) -> list[str]:
    return [verb.text for verb in find_verbs(*tag(prompt))]


def unseen(prompt: str) -> list[str]:
    found = unseen_verbs(prompt, "tiny")
    assert found is not None, prompt
    return [verb.text for verb in found.values()]


@pytest.mark.parametrize(
    ("prompt", "found"),
    [
        ("A person juggles three balls", "juggles"),
        ("a man slowly and carefully salutes", "salutes"),
        ("A tired old woman knits", "knits"),
        ("a golfer putts the ball", "putts"),
        ("a chef slices vegetables", "slices"),
        ("someone is juggling", "juggling"),
        ("She's not quite saluting yet", "saluting"),
        ("his arms are flapping", "flapping"),
        ("a person walks forward, then salutes", "walks salutes"),
        ("a person walks forward and salutes", "walks salutes"),
        ("a person walks, jumps, and salutes twice.", "walks jumps salutes"),
        ("he picks up the box and juggles", "picks juggles"),
        ("a person punches with the left fist, ducks and steps back", "punches ducks steps"),
        ("a person stretches both arms and salutes the flag", "stretches salutes"),
        ("a person begins to slowly juggle", "juggle"),
        ("a person keeps juggling while walking", "juggling"),
        ("a person who limps bows to the crowd", "limps"),
        ("A person walked to the door, then saluted. He bowed to it", "walked saluted bowed"),
        ("juggling", "juggling"),
        ("juggles three balls", "juggles"),
        ("clap your hands and salute the flag", "clap salute"),
        ("juggle three balls, then bow to the left", "juggle bow"),
        ("Jump up and wave to the crowd", "jump wave"),
    ],
)
def test_verbs_are_found(prompt: str, found: str) -> None:
    assert verbs(prompt) == found.split()


@pytest.mark.parametrize(
    "prompt",
    [
        "crawling on hands and knees", "walking with arms and legs stretched, eyes closed",
        "a walk on hands and knees to the door", "karate kick, boxing gloves on",
        "a flying kick and a landing", "hands up", "arms on hips, shoulders back",
        "slow walk, tired and bored", "a person with knees bent and elbows out",
        "a man dressed as a pirate", "she is tired and exhausted", "a person is seated",
        "a person towards the left", "someone sideways", "zombie walk", "martial arts combination",
        "a person in the morning", "between chairs and tables", "kicks and punches",
        "the person is on stairs and ladders", "", "...", "42", "🙂 🙂", "a series of jumps",
    ],
)  # fmt: skip
def test_nouns_and_adjectives_are_not(prompt: str) -> None:
    taken = set(verbs(prompt)) - {"crawling", "walking"}
    assert taken == set()


@pytest.mark.parametrize(
    "prompt",
    [
        "a person throws punches, elbows and knees", "someone performs lunges, squats and push-ups",
        "a man is boxing, throwing jabs, hooks and uppercuts", "it is morning, and",
        "a person does three kicks and flips", "there is nothing on the floor, and everything in",
        "a person jogs in a circle, hands on hips, eyes on the ground", "zombie walk, arms forward",
        "a person washes windows and doors, floors and walls", "Walk forward, turn left, wave.",
        "a person walks through mud, puddles and leaves", "a figure moves cones, flags and markers",
        "a person walks in heels and skirts", "standing with knees bent, palms facing up, ready",
        "a person goes to bed", "a person wearing jeans and boots walks to the doors of the house",
        "a man kicks something or someone with his left leg", "the dancer's arms", "in a hurry",
        "he leans on walls and tables, legs crossed, arms folded, head tilted, tired and exhausted",
    ],
)  # fmt: skip
def test_prompts_of_seen_verbs_alone_pass(prompt: str) -> None:
    assert unseen(prompt) == []


@pytest.mark.parametrize(
    "prompt",
    [
        "a person plays drums and cymbals to the beat", "a waiter brings drinks and meals to us",
        "a nurse pushes beds and wheelchairs down corridors", "yoga poses on a mat",
        "a man wearing a hat and gloves walks", "a boy running with kites and flags up high",
        "burpees in a gym", "a martial arts kick", "a man was pushed and stumbled back",
        "he ran and threw the ball", "a person begins to run and continues",
    ],
)  # fmt: skip
def test_nouns_and_participles_beside_verbs_are_not_unseen_verbs(prompt: str) -> None:
    assert unseen(prompt) == []


def test_the_examples_are_read_as_a_person_reads_them() -> None:
    with EXAMPLES.open(encoding="utf-8", newline="") as file:
        rows = [(row["id"], row["prompt"]) for row in csv.DictReader(file)]
    found = {name: unseen(prompt) for name, prompt in rows if name != "winken"}
    assert {name: verbs for name, verbs in found.items() if verbs} == {
        "conduct": ["conducts"],
        "sweep": ["sweeps"],
        "carry_box": ["carries"],
        "look_lost": ["looks"],
        "phone_nod": ["answers", "nods"],
    }


def test_an_unseen_verb_is_named_once_with_its_first_place() -> None:
    prompt = "A person walks. He JUGGLES and is juggling"
    assert unseen_verbs(prompt, "tiny") == {"juggl": Verb("juggles", prompt.index("JUGGLES"))}


def test_a_model_without_a_list_has_no_unseen_verbs() -> None:
    assert unseen_verbs("eine Person juggles und geht", "null") == {}


@given(TEXTS)
def test_any_text_has_a_verdict(prompt: str) -> None:
    places = [verb.start for verb in find_verbs(*tag(prompt))]
    assert places == sorted(set(places))
    for verb in (unseen_verbs(prompt, "tiny") or {}).values():
        assert prompt[verb.start : verb.start + len(verb.text)].lower() == verb.text
