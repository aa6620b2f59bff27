"""Telling English prompts from others by the small words that every language has of its own."""

from __future__ import annotations

from collections.abc import Iterable

from jobs.verbs.words import BE, CLOSED, SUBJECTS

#: Small words of German, French, Spanish, Italian, Portuguese, Dutch, Polish and Turkish, and how
#: these call a person and the ways to go, as far as English has no such word.
_FOREIGN = frozenset(
    word
    for line in (
        "ein eine einen einem einer der das dem den und mit nach von zu auf ist er sie dann sich",
        "langsam schnell vorwärts rückwärts links rechts mann frau geht läuft",
        "un une le la les et avec vers puis elle sur du des dans se sa ses lentement homme femme",
        "personne gauche droite avant arrière marche saute court",
        "una el los las con hacia luego y su al del por para hombre mujer persona camina salta",
        "izquierda derecha adelante atrás corre lentamente",
        "uno il lo gli e poi di uomo donna cammina avanti indietro sinistra destra mano braccio",
        "um uma com para o os depois homem mulher pessoa anda frente trás esquerda direita",
        "een het en met naar dan van zijn haar loopt springt vooruit achteruit langzaam snel",
        "osoba idzie skacze i do z w na się potem przodu tyłu lewo prawo",
        "bir ve ile kişi adam kadın yürür yürüyor ileri geri sonra",
    )
    for word in line.split()
)
_ENGLISH = CLOSED | SUBJECTS | BE
_LEAST = 2


def is_foreign(tokens: Iterable[str]) -> bool:
    """Whether a prompt is certainly not English.

    So it is where most of its words are in another script, or where at least two are of another
    language alone and these are more than the small English ones. Anything else passes.

    Args:
        tokens: the prompt's words in lower case.
    """
    words = set(tokens)
    told = words & _TELLING
    foreign = len(told & _ONLY_FOREIGN)
    english = len(told) - foreign
    if not all(map(str.isascii, words)):
        other = [word for word in words if not word.isascii()]
        if 2 * sum(map(_strange, other)) > len(words):
            return True
        foreign += len(set(other) - told)
    return foreign >= _LEAST and foreign > english


def _strange(word: str) -> bool:
    """Whether a word is not in the Latin script, whose letters end with U+024F."""
    return any(letter > "\u024f" for letter in word)


_ONLY_FOREIGN = _FOREIGN - _ENGLISH
#: Words of other languages too, but too English to tell of them.
_SHARED = {"a", "an", "as", "do", "in", "me", "no", "on", "so", "to", "was"}
_ONLY_ENGLISH = _ENGLISH - _FOREIGN - _SHARED
_TELLING = _ONLY_ENGLISH | _ONLY_FOREIGN
