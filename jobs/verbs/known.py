"""The verbs that a model has seen in training, where there is a list of them."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files

from jobs.verbs.forms import stems

#: Judgements that are kept.
MOST = 10_000


class KnownVerbs:
    """Verbs in any of their forms.

    Args:
        verbs: in the third person: walks.
    """

    def __init__(self, verbs: Iterable[str]) -> None:
        self._stems = frozenset(stem for verb in verbs for stem in stems(verb))
        self._judged: dict[str, bool] = {}

    def __contains__(self, word: object) -> bool:
        if not isinstance(word, str):
            return False
        known = self._judged.get(word)
        if known is None:
            # "back-flips" is "backflips", and "tap-dances" dances.
            parts = {word, word.replace("-", ""), word.rpartition("-")[2]}
            known = any(stems(part) & self._stems for part in parts)
            if len(self._judged) < MOST:
                self._judged[word] = known
        return known


def known_verbs(model: str) -> KnownVerbs | None:
    """The list of a model; None for one that may have seen any verb."""
    table = files("jobs.verbs").joinpath(f"{model}.txt")
    if not table.is_file():
        return None
    lines = table.read_text(encoding="utf-8").splitlines()
    return KnownVerbs(line for line in lines if line and not line.startswith("#"))
