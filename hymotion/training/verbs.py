"""The verbs of the training phrases, which a model trained on them knows.

    python -m hymotion.training.verbs > jobs/verbs/tiny.txt

With this list the queue can warn of prompts with other verbs without loading a model.
"""

import sys

from hymotion.training.phrases.phrases import Phrases, own_texts
from hymotion.training.phrases.wording import Wording

HEAD = "# Verbs that the model saw in training; written by `python -m hymotion.training.verbs`.\n"


SECOND = frozenset(
    {"bears", "closing", "facing", "flying", "opening", "spreads", "staying", "using", "yawns"}
)
"""Verbs that only come second in a phrase and that no variant inflects."""


def taught_verbs(texts: Phrases) -> tuple[str, ...]:
    """The verbs of the training split's phrases, sorted; nearly all in the third person."""
    wording = Wording(tuple(each.phrase for each in texts.phrases if each.split == "train"))
    return tuple(sorted((wording.verbs | SECOND) & wording.words))


def verb_list(texts: Phrases) -> str:
    """The file's text: a header line, then one verb per line."""
    return HEAD + "".join(f"{verb}\n" for verb in taught_verbs(texts))


def main() -> None:
    """Write the verb list of the bundled phrases to standard output."""
    sys.stdout.write(verb_list(own_texts()))


if __name__ == "__main__":
    main()
