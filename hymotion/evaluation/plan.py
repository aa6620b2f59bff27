"""What a model is asked for: every action from several seeds, and pairs of actions in order.

Prompts are paraphrases that no model is trained on, with the sides, directions and styles of an
action in turn. The plan depends on nothing but the tables, so two models get the same requests.
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
"""Of the phrases: those kept from training."""


@dataclass(frozen=True)
class Act:
    """An action with its attributes, and the frames it gets."""

    action: str
    attributes: Mapping[str, str]
    frames: int


@dataclass(frozen=True)
class Trial:
    """One motion to ask for.

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
    """The pairs of actions that come with this package, in the table's order."""
    table = files("hymotion.evaluation").joinpath(PAIRS).read_text(encoding="utf-8")
    rows = csv.DictReader(table.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
    return tuple((_act(row, "first"), _act(row, "second")) for row in rows)


def action_trials(texts: Phrases, frames: Mapping[str, int], *, seeds: int) -> Iterator[Trial]:
    """`seeds` motions of each action.

    Args:
        texts: where the held-out paraphrases are.
        frames: length of each action.
        seeds: 0, 1, … are the seeds.

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
    """What the held-out phrases of an action tell apart, in the table's order; at least one."""
    kinds: list[Mapping[str, str]] = []
    for phrase in texts.phrases:
        known = phrase.action == action and phrase.split == SPLIT
        if known and phrase.attributes not in kinds:
            kinds.append(phrase.attributes)
    return tuple(kinds) or ({},)


def _shuffled(prompts: Sequence[str], name: str) -> list[str]:
    """The prompts in an order that puts different subjects and phrases one after another."""
    order = list(prompts)
    random.Random(name).shuffle(order)  # noqa: S311 — no secrets
    return order


def _act(row: Mapping[str, str], part: str) -> Act:
    attributes = read_attributes(row[f"{part}_attributes"], PAIRS)
    return Act(row[part], attributes, int(row[f"{part}_frames"]))
