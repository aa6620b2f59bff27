"""How the same prompt can be worded: verb forms, small words, punctuation and typing errors.

Users write "walk forward", "a person is walking forward." and "A person wlaks forward"; a text
embedding that has only seen "a person walks forward" knows none of these words. Variants never
touch the words that say which way: left stays left.
"""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

MORE_VERBS = frozenset({"lands", "rests", "weaves", "comes", "stands", "holds", "turns", "picks"})
"""Verbs that only come second in a phrase."""

NO_VERBS = frozenset({"is", "sideways", "backwards", "towards"})
BARE = {"does": "do", "goes": "go", "has": "have"}
DOUBLING = frozenset({"backflip", "sidestep", "control"})
HISSING = ("ches", "shes", "sses", "xes", "zzes")
KEPT_E = ("ee", "oe", "ye")
SHORT_VOWEL = re.compile(r"(?:qu|[^aeiou])*[aeiou][^aeiouwxy]")
"""A verb like "run" doubles its last letter before -ing."""

FIXED = (
    frozenset(("left", "right", "sideways", "sidestep", "sidesteps", "front", "behind", "first"))
    | frozenset(("forward", "forwards", "ahead", "backward", "backwards", "back", "before"))
    | frozenset(("up", "upward", "upwards", "upstairs", "down", "downward", "downstairs"))
    | frozenset(("face", "prone", "supine", "stomach", "belly", "slowly", "quickly", "briskly"))
    | frozenset(("then", "after"))
)
"""Words that say which way, how fast or in which order: never misspelt."""

IS = "is "
SMALL = frozenset({"a", "an", "the", "of", "is"})
"""Words that some leave out."""

ADDITIONS = (
    *("again", "once more", "with care", "in a studio", "in an empty room", "in a hall"),
    *("outside", "outdoors", "alone", "for the camera", "here", "today"),
)
"""Ends of a prompt that change nothing about the motion."""

MISSPELT_FROM = 5
"""Shorter words are told apart by too little to be misspelt."""


def bare(verb: str) -> str:
    """The bare form of a verb's third person: walks → walk, does → do, hurries → hurry."""
    if verb in BARE:
        return BARE[verb]
    if verb.endswith("ies") and len(verb) > len("lies"):
        return verb[:-3] + "y"
    return verb[:-2] if verb.endswith(HISSING) else verb[:-1]


def gerund(verb: str) -> str:
    """The -ing form of a verb's third person: walks → walking, runs → running."""
    base = bare(verb)
    if base.endswith("ie"):
        return base[:-2] + "ying"
    if base.endswith("e") and not base.endswith(KEPT_E):
        return base[:-1] + "ing"
    if base in DOUBLING or SHORT_VOWEL.fullmatch(base):
        return base + base[-1] + "ing"
    return base + "ing"


@dataclass(frozen=True)
class Wording:
    """Variants of phrases.

    Attributes:
        phrases: all there are; their first words are the verbs, and no misspelt word becomes
            another word of them.
    """

    phrases: tuple[str, ...]

    @cached_property
    def words(self) -> frozenset[str]:
        """All words of the phrases."""
        return frozenset(word for phrase in self.phrases for word in _words(phrase))

    @cached_property
    def verbs(self) -> frozenset[str]:
        """Verbs in the third person."""
        firsts = {next(_words(phrase)) for phrase in self.phrases}
        return frozenset(word for word in firsts if word.endswith("s")) - NO_VERBS | MORE_VERBS

    def formed(self, phrase: str, form: str) -> str:
        """The phrase with its first verb, and verbs after "and", "then" or a comma, in a form.

        Args:
            phrase: an action without its subject, in the third person.
            form: "third" leaves it, "progressive" says "is walking", "gerund" "walking" and
                "bare" "walk".
        """
        if phrase.startswith(IS):
            return phrase.removeprefix(IS) if form in {"gerund", "bare"} else phrase
        words = phrase.split(" ")
        first = self._first_verb(words)
        if form == "third" or first is None:
            return phrase
        change = bare if form == "bare" else gerund
        for at, word in enumerate(words):
            core = word.rstrip(",")
            follows = at > first and (words[at - 1] in {"and", "then"} or words[at - 1][-1] == ",")
            if at == first or (follows and core in self.verbs):
                words[at] = change(core) + word[len(core) :]
        return (IS if form == "progressive" else "") + " ".join(words)

    def has_verb(self, phrase: str) -> bool:
        """Whether a subject can stand before the phrase: not before "left punch"."""
        return phrase.startswith(IS) or self._first_verb(phrase.split(" ")) is not None

    def _first_verb(self, words: list[str]) -> int | None:
        firsts = (at for at, word in enumerate(words[:2]) if word.rstrip(",") in self.verbs)
        return next(firsts, None)

    def varied(self, prompt: str, chance: random.Random) -> str:
        """The whole prompt with now and then an addition, a slip, a full stop, a first capital."""
        if chance.random() < 0.12:
            addition = chance.choice(ADDITIONS)
            prompt = prompt if addition in prompt else f"{prompt} {addition}"
        if chance.random() < 0.08:
            prompt = _without_small_word(prompt, chance)
        if chance.random() < 0.08:
            prompt = self._misspelt(prompt, chance)
        if chance.random() < 0.3:
            prompt = prompt[:1].upper() + prompt[1:]
        return prompt + "." if chance.random() < 0.25 else prompt

    def _misspelt(self, prompt: str, chance: random.Random) -> str:
        """One letter of one longer word swapped with the next, left out, or doubled."""
        words = prompt.split(" ")
        places = [
            at
            for at, word in enumerate(words)
            if len(word) >= MISSPELT_FROM and word.isalpha() and word.lower() not in FIXED
        ]
        if not places:
            return prompt
        at = chance.choice(places)
        slipped = _slipped(words[at], chance)
        if slipped.lower() not in self.words:
            words[at] = slipped
        return " ".join(words)


def _words(phrase: str) -> Iterator[str]:
    return (match[0] for match in re.finditer(r"[\w']+", phrase))


def _slipped(word: str, chance: random.Random) -> str:
    """The word with a typing error behind its first letter."""
    at = chance.randrange(1, len(word) - 1)
    slip = chance.choice(("swap", "drop", "double"))
    if slip == "swap":
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return word[:at] + word[at + 1 :] if slip == "drop" else word[: at + 1] + word[at:]


def _without_small_word(prompt: str, chance: random.Random) -> str:
    words = prompt.split(" ")
    places = [at for at, word in enumerate(words) if word.lower() in SMALL]
    if places:
        del words[chance.choice(places)]
    return " ".join(words)
