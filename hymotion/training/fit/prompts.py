"""The corpus's prompts as numbers: several of each motion, drawn once before the first step."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hymotion.config import ModelConfig
from hymotion.text.subword import piece_shares
from hymotion.text.words import START, tokens_of
from hymotion.training.errors import TrainingError
from hymotion.training.phrases.phrases import AGAIN, LINKS, SUBJECTS, Phrases
from hymotion.training.phrases.wording import ADDITIONS

MULTIPLE = 8
"""Kernels of attention like numbers of tokens that are multiples of it."""

LONGEST_PHRASE = 100
"""Words; far more than any has."""

FORMS = ("third", "progressive", "gerund", "bare")


def vocabulary_of(texts: Phrases) -> tuple[str, ...]:
    """The words that training prompts have, typing errors left out, START first, then sorted."""
    phrases = [phrase.phrase for phrase in texts.phrases if phrase.split == "train"]
    said = {texts.wording.formed(phrase, form) for phrase in phrases for form in FORMS}
    said |= {*SUBJECTS["train"], *LINKS["train"], *AGAIN, *ADDITIONS}
    words = {word for text in said for word in tokens_of(text, limit=LONGEST_PHRASE)}
    return (START, *sorted(words - {START}))


@dataclass(frozen=True, eq=False)
class Prompts:
    """M motions with K prompts each, T tokens at most.

    Attributes:
        forms: (M, K, T) number of each token's word form, 0 (START) beyond the end.
        lengths: (M, K) tokens.
        known: (F,) number in the vocabulary of each form, 0 where it is not in it.
        pieces: (F, buckets) share of each bucket in a form's mean; a product with the buckets'
            vectors has a gradient that a CUDA graph can record, unlike a lookup.
    """

    forms: Tensor
    lengths: Tensor
    known: Tensor
    pieces: Tensor

    @classmethod
    def of(
        cls,
        texts: Iterable[Sequence[str]],
        *,
        vocabulary: Sequence[str],
        config: ModelConfig,
    ) -> "Prompts":
        """Number the prompts of each motion; all motions have as many.

        Args:
            texts: K prompts a motion.
            vocabulary: the words with a vector of their own.
            config: of the model that will read them.

        Raises:
            TrainingError: the model has no text encoder of its own.
        """
        if config.subword is None:
            raise TrainingError(
                "the config has no text encoder to train",
                mend="Give its config.yml the llm_type subword",
            )
        buckets, limit = config.subword.buckets, config.subword.max_tokens
        numbers = {START: 0}
        rows = [
            [
                [numbers.setdefault(token, len(numbers)) for token in tokens]
                for tokens in (tokens_of(text, limit=limit) for text in drawn)
            ]
            for drawn in texts
        ]
        lengths = torch.tensor([[len(tokens) for tokens in drawn] for drawn in rows])
        width = -(-int(lengths.max()) // MULTIPLE) * MULTIPLE
        padded = [[tokens + [0] * (width - len(tokens)) for tokens in drawn] for drawn in rows]
        places = {word: place for place, word in enumerate(vocabulary, start=1)}
        return cls(
            forms=torch.tensor(padded),
            lengths=lengths,
            known=torch.tensor([places.get(form, 0) for form in numbers]),
            pieces=piece_shares(list(numbers), buckets),
        )

    def to(self, device: torch.device) -> "Prompts":
        """The same on another device."""
        return Prompts(
            self.forms.to(device),
            self.lengths.to(device),
            self.known.to(device),
            self.pieces.to(device),
        )
