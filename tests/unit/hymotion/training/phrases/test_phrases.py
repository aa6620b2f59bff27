"""The table of phrases: rich enough to learn words from; held-out phrases test phrasing."""

import re
from collections import Counter

from hymotion.training.phrases.phrases import own_texts

FEWEST_TRAIN = 20
FEWEST_HELD = 4
WITH_UNKNOWN_WORDS = 12
"""Held-out phrases that may have a word never seen in training, to test gentle degradation."""
FUNCTION = frozenset(
    ("a", "an", "the", "to", "of", "in", "on", "at", "with", "and", "then", "is", "as", "like")
) | frozenset(("for", "it", "from"))


def words(phrase: str) -> set[str]:
    return set(re.findall(r"[\w']+", phrase)) - FUNCTION


def test_every_action_has_many_phrases_and_some_held_out() -> None:
    phrases = own_texts().phrases
    count = Counter((p.action, tuple(p.attributes.items()), p.split) for p in phrases)
    for (action, attributes, split), number in count.items():
        # Phrases that leave the side open come beside those that name it.
        general = not attributes and any(
            other[0] == action and other[1] and other[1][0][0] in {"side", "direction", "lying"}
            for other in count
        )
        fewest = FEWEST_TRAIN if split == "train" else FEWEST_HELD
        assert number >= fewest or general, (action, attributes, split, number)
        assert count[action, attributes, "held"] or general, (action, attributes)


def test_words_of_held_out_phrases_are_known_from_other_phrases() -> None:
    phrases = own_texts().phrases
    strange = []
    for held in (p for p in phrases if p.split == "held"):
        known: set[str] = set()
        for other in phrases:
            if other.split == "train" and other.action == held.action:
                known |= words(other.phrase)
        unknown = words(held.phrase) - known
        assert len(unknown) <= 1, (held.phrase, unknown)
        if unknown:
            strange.append((held.phrase, unknown))
    assert 0 < len(strange) <= WITH_UNKNOWN_WORDS, strange


def test_phrases_of_one_side_are_those_of_the_other_with_the_sides_swapped() -> None:
    phrases = own_texts().phrases
    sides = {
        side: {
            re.sub(rf"\b{side}\b", "SIDE", p.phrase)
            for p in phrases
            if side in p.attributes.values()
        }
        for side in ("left", "right")
    }
    assert sides["left"] == sides["right"]


def test_no_phrase_ends_oddly() -> None:
    for phrase in own_texts().phrases:
        assert phrase.phrase == " ".join(phrase.phrase.split()).strip(" ,.")
        assert phrase.phrase == phrase.phrase.lower()
