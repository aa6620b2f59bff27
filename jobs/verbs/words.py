"""Words: their stems, their classes, and the verbs that a model has seen in training."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from importlib.resources import files

#: A root with a vowel and its ending: not "swing", "sled" or "feed".
_INFLECTED = re.compile(r"(.*[aeiouy].*)(?:ing|(?<!e)ed)|(.+)s")


@lru_cache(10_000)
def stem(word: str) -> str:
    """What the forms of a verb share: "hurri" for hurry, hurries, hurried and hurrying.

    Now and then two verbs share a stem; then an unseen one passes for a seen one.
    """
    form = _INFLECTED.fullmatch(word)
    root = (form[1] or form[2] if form else word).removesuffix("e")
    if root[-1:] == root[-2:-1] and root[-1:] not in "aeiou":
        root = root[:-1]
    return f"{root[:-1]}i" if root.endswith("y") else root


def is_known(word: str, known: frozenset[str]) -> bool:
    """Whether a verb in any form is among the known stems, as a whole or by its last part:
    "back-flips" is "backflips", and "tap-dances" is a kind of "dances"."""
    if "-" in word:
        parts = (word, word.replace("-", ""), word.rpartition("-")[2])
        return not known.isdisjoint(map(stem, parts))
    return stem(word) in known


@cache
def known_stems(model: str) -> frozenset[str] | None:
    """The stems of the verbs that a model has seen; None if it has no list."""
    table = files("jobs.verbs").joinpath(f"{model}.txt")
    if not table.is_file():
        return None
    lines = table.read_text(encoding="utf-8").splitlines()
    return frozenset(stem(line) for line in lines if not line.startswith("#"))


@cache
def word_classes() -> dict[str, str]:
    """The class of each word of `classes.tsv`, a letter."""
    lines = files("jobs.verbs").joinpath("classes.tsv").read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines]
    return {word: letter for letter, _, words in rows for word in words.split()}
