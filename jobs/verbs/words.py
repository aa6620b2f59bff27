"""Stems and classes of words, and the verbs that a model has seen in training."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from importlib.resources import files

#: A root that has a vowel, and its ending; does not match "swing", "sled" or "feed".
_INFLECTED = re.compile(r"(.*[aeiouy].*)(?:ing|(?<!e)ed)|(.+)s")


@lru_cache(10_000)
def stem(word: str) -> str:
    """The common stem of a verb's forms: "hurri" for hurry, hurries, hurried and hurrying.

    Two verbs may share a stem; then an unseen verb counts as seen.
    """
    form = _INFLECTED.fullmatch(word)
    root = (form[1] or form[2] if form else word).removesuffix("e")
    if root[-1:] == root[-2:-1] and root[-1:] not in "aeiou":
        root = root[:-1]
    return f"{root[:-1]}i" if root.endswith("y") else root


def is_known(word: str, known: frozenset[str]) -> bool:
    """Whether a verb in any form has a known stem, as a whole or by its last part: "back-flips"
    matches "backflips", and "tap-dances" matches "dances"."""
    if "-" in word:
        parts = (word, word.replace("-", ""), word.rpartition("-")[2])
        return not known.isdisjoint(map(stem, parts))
    return stem(word) in known


@cache
def known_stems(model: str) -> frozenset[str] | None:
    """The stems of the verbs that a model has seen in training; None if it has no list."""
    table = files("jobs.verbs").joinpath(f"{model}.txt")
    if not table.is_file():
        return None
    lines = table.read_text(encoding="utf-8").splitlines()
    return frozenset(stem(line) for line in lines if not line.startswith("#"))


@cache
def word_classes() -> dict[str, str]:
    """word → letter of its class, from `classes.tsv`."""
    lines = files("jobs.verbs").joinpath("classes.tsv").read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines]
    return {word: letter for letter, _, words in rows for word in words.split()}
