"""The verbs of the training phrases: what a model trained on them has seen.

    python -m hymotion.training.verbs > jobs/verbs/tiny.txt

The list lets the queue warn of prompts that ask for something else, without loading a model.
"""

import sys

from hymotion.training.phrases.phrases import Phrases, own_texts
from hymotion.training.phrases.wording import Wording

HEAD = "# Verbs that the model saw in training; written by `python -m hymotion.training.verbs`.\n"


SECOND = frozenset(
    {"bears", "closing", "facing", "flying", "opening", "spreads", "staying", "using", "yawns"}
)
"""Verbs that only come second in a phrase, and that no variant of it gives another form."""


def taught_verbs(texts: Phrases) -> tuple[str, ...]:
    """The verbs of the phrases of the training split, sorted: in the third person, a few of them
    in the only form that there is."""
    wording = Wording(tuple(each.phrase for each in texts.phrases if each.split == "train"))
    return tuple(sorted((wording.verbs | SECOND) & wording.words))


def verb_list(texts: Phrases) -> str:
    """The file: a line that says where it comes from, then a verb a line."""
    return HEAD + "".join(f"{verb}\n" for verb in taught_verbs(texts))


def main() -> None:
    """Write the list of the package's own phrases to standard output."""
    sys.stdout.write(verb_list(own_texts()))


if __name__ == "__main__":
    main()
