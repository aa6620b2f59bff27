"""Forms of English verbs: all that a written form may come from, without a dictionary."""

from __future__ import annotations

VOWELS = frozenset("aeiou")


def stems(word: str) -> frozenset[str]:
    """Every bare form that a written one may come from, itself included.

    hurries → hurry; clapping → clap, clapp, clappe; dancing → danc, dance; lying → ly, lye, lie.
    Two words are forms of one verb if they share a stem: now and then two verbs share one, so that
    an unseen verb passes for a seen one, never the other way round.
    """
    found = {word}
    for ending in ("s", "es", "ed", "ing"):
        root = word.removesuffix(ending)
        if root != word and len(root) > 1:
            found |= {root} if ending == "s" else _roots(root)
    if word.endswith(("ies", "ied")):
        found |= {word[:-3] + "y", word[:-1]}
    if word.endswith("ying"):
        found.add(word[:-4] + "ie")
    return frozenset(found)


def _roots(root: str) -> set[str]:
    """What a root may have been before -es, -ed or -ing: with an e, or with one letter less."""
    doubled = root[-1] == root[-2] and root[-1] not in VOWELS
    return {root, root + "e"} | ({root[:-1]} if doubled and len(root) > 2 else set())
