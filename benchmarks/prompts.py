"""Numbered prompts, similar to those that people write."""

from __future__ import annotations

_WHO = ("A person", "A tired old man", "A young dancer", "Someone carrying a heavy box",
        "A child", "A soldier", "A boxer", "A woman in a long coat")  # fmt: skip
_DOES = ("walks forward", "runs in a circle", "jumps over a low fence", "waves with both hands",
         "sits down on a chair", "climbs a ladder", "kicks a ball", "turns around slowly",
         "crawls under a table", "throws a stone", "bows politely", "dances a waltz",
         "limps to the left", "picks something up", "balances on one leg")  # fmt: skip
_HOW = ("then stops", "looking over the shoulder", "as if in a hurry", "with great care",
        "and falls", "while talking on the phone", "in small steps", "like a robot",
        "and starts again", "against a strong wind", "without a sound")  # fmt: skip

#: Number of different prompts.
KINDS = len(_WHO) * len(_DOES) * len(_HOW)


def prompt(number: int) -> str:
    """The prompt with this number; they repeat after `KINDS`."""
    who, rest = number % len(_WHO), number // len(_WHO)
    does, rest = rest % len(_DOES), rest // len(_DOES)
    return f"{_WHO[who]} {_DOES[does]} {_HOW[rest % len(_HOW)]}."
