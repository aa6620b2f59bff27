"""The requests of an evaluation: every action with several seeds, and ordered pairs of actions.

Prompts are held-out paraphrases that cycle through an action's sides, directions and styles. The
plan depends only on the tables, so two models get the same requests.
"""

import csv
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

from hymotion.training.phrases.attributes import read_attributes
from hymotion.training.phrases.phrases import Phrases

PAIRS = "pairs.tsv"
SPLIT = "held"
"""The split of the phrases that are kept out of training."""


@dataclass(frozen=True)
class Act:
    """An action with its attributes and its number of frames."""

    action: str
    attributes: Mapping[str, str]
    frames: int


@dataclass(frozen=True)
class Trial:
    """One motion to sample.

    Attributes:
        shows: the action that it should show, or two in order.
        prompt: a held-out paraphrase.
        frames: its length.
        seed: of its noise.
    """

    shows: tuple[str, ...]
    prompt: str
    frames: int
    seed: int


def own_pairs() -> tuple[tuple[Act, Act], ...]:
    """The bundled pairs of actions, in the table's order."""
    table = files("hymotion.evaluation").joinpath(PAIRS).read_text(encoding="utf-8")
    rows = csv.DictReader(table.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
    return tuple((_act(row, "first"), _act(row, "second")) for row in rows)


def action_trials(texts: Phrases, frames: Mapping[str, int], *, seeds: int) -> Iterator[Trial]:
    """`seeds` motions of each action.

    Args:
        texts: the phrases, with held-out paraphrases.
        frames: length of each action.
        seeds: number of seeds, which are 0, 1, ….

    Raises:
        MocapError: an action has no held-out paraphrase.
    """
    for action, length in frames.items():
        kinds = attributes_of(texts, action)
        for seed in range(seeds):
            turn, kind = divmod(seed, len(kinds))
            prompts = _shuffled(texts.of(action, kinds[kind], SPLIT), f"{action}/{kind}")
            yield Trial((action,), prompts[turn % len(prompts)], length, seed)


def pair_trials(texts: Phrases, pairs: Sequence[tuple[Act, Act]], *, seeds: int) -> Iterator[Trial]:
    """`seeds` motions of each pair.

    Raises:
        MocapError: an action has no held-out paraphrase.
    """
    for first, second in pairs:
        shows = first.action, second.action
        prompts = _shuffled(
            texts.sequence(
                (first.action, first.attributes), (second.action, second.attributes), SPLIT
            ),
            "/".join(shows),
        )
        for seed in range(seeds):
            prompt = prompts[seed % len(prompts)]
            yield Trial(shows, prompt, first.frames + second.frames, seed)


def attributes_of(texts: Phrases, action: str) -> tuple[Mapping[str, str], ...]:
    """The attribute sets of an action's held-out phrases, in the table's order; at least one."""
    kinds: list[Mapping[str, str]] = []
    for phrase in texts.phrases:
        known = phrase.action == action and phrase.split == SPLIT
        if known and phrase.attributes not in kinds:
            kinds.append(phrase.attributes)
    return tuple(kinds) or ({},)


def _shuffled(prompts: Sequence[str], name: str) -> list[str]:
    """The prompts shuffled, so that successive ones have different subjects and phrases."""
    order = list(prompts)
    random.Random(name).shuffle(order)  # noqa: S311 — no secrets
    return order


def _act(row: Mapping[str, str], part: str) -> Act:
    attributes = read_attributes(row[f"{part}_attributes"], PAIRS)
    return Act(row[part], attributes, int(row[f"{part}_frames"]))
