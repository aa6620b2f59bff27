"""The corpus's prompts as indices: several per motion, drawn once before the first step."""

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
"""Attention kernels are faster if the number of tokens is a multiple of this."""

LONGEST_PHRASE = 100
"""Maximum number of tokens of a prompt, far more than any has."""

FORMS = ("third", "progressive", "gerund", "bare")


def vocabulary_of(texts: Phrases) -> tuple[str, ...]:
    """The words of the training prompts, without typing errors: START, then sorted."""
    phrases = [phrase.phrase for phrase in texts.phrases if phrase.split == "train"]
    said = {texts.wording.formed(phrase, form) for phrase in phrases for form in FORMS}
    said |= {*SUBJECTS["train"], *LINKS["train"], *AGAIN, *ADDITIONS}
    words = {word for text in said for word in tokens_of(text, limit=LONGEST_PHRASE)}
    return (START, *sorted(words - {START}))


@dataclass(frozen=True, eq=False)
class Prompts:
    """The prompts of M motions, K each, with at most T tokens.

    Attributes:
        forms: (M, K, T) index of each token's word form, 0 (START) as padding.
        lengths: (M, K) number of tokens.
        known: (F,) vocabulary index of each form, 0 if unknown.
        pieces: (F, buckets) fraction of a form's pieces in each bucket. Unlike a lookup, a matrix
            product with the buckets' vectors has a gradient that a CUDA graph can record.
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
        """Convert the prompts to indices; all motions must have the same number of prompts.

        Args:
            texts: K prompts per motion.
            vocabulary: the known words.
            config: of the model.

        Raises:
            TrainingError: the model has no text encoder to train.
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
        """The prompts on another device."""
        return Prompts(
            self.forms.to(device),
            self.lengths.to(device),
            self.known.to(device),
            self.pieces.to(device),
        )
