"""Which row of memory holds which frame or token of a pack."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

SIZES = (64, 128)
"""Queries that one program of the attention kernel handles, the first that holds a sequence."""


@dataclass(frozen=True, eq=False)
class Layout:
    """The N frames of S sequences, one after another, then the M tokens of U texts.

    Nothing is padded. A sequence is one sample's motion under one text; a guided sample has two,
    under its prompt and under the null text. Sequences with the same text share its tokens.

    Attributes:
        frames: N.
        owner: (N + M,) int32, the text of each row.
        sequences: (S + U, 5) int32: first row, number of rows, number of own frames to attend to
            (0 for a text), first row and number of tokens of the text to attend to.
        work: (programs, 2) int32, a sequence and a block of its queries for each program of the
            attention kernel.
        queries: size of these blocks.
        tokens: (M,) index of each token in the U texts padded to the longest, flattened.
    """

    frames: int
    owner: Tensor
    sequences: Tensor
    work: Tensor
    queries: int
    tokens: Tensor

    @property
    def rows(self) -> int:
        """N + M."""
        return len(self.owner)

    @classmethod
    def of(
        cls,
        frames: Sequence[int],
        texts: Sequence[int],
        lengths: Sequence[int],
        *,
        device: torch.device,
    ) -> "Layout":
        """Lay out S sequences.

        Args:
            frames: S lengths.
            texts: for each sequence, the index of its text.
            lengths: number of tokens of each of the U texts.
            device: where the indices are stored.
        """
        firsts = list(accumulate((*frames, *lengths), initial=0))
        words = firsts[len(frames) :]
        table = [
            (first, size, size, words[text], lengths[text])
            for first, size, text in zip(firsts, frames, texts, strict=False)
        ]
        table += [
            (first, length, 0, first, length) for first, length in zip(words, lengths, strict=False)
        ]
        queries = next((size for size in SIZES if size >= max(frames)), SIZES[-1])
        work = [
            (number, block)
            for number, entry in enumerate(table)
            for block in range(-(-entry[1] // queries))
        ]
        owner = torch.tensor([*texts, *range(len(lengths))])
        widest = max(lengths)
        tokens = [torch.arange(length) + text * widest for text, length in enumerate(lengths)]
        return cls(
            frames=sum(frames),
            owner=owner.repeat_interleave(torch.tensor([*frames, *lengths]))
            .to(torch.int32)
            .to(device),
            sequences=torch.tensor(table, dtype=torch.int32).to(device),
            work=torch.tensor(work, dtype=torch.int32).to(device),
            queries=queries,
            tokens=torch.cat(tokens).to(device),
        )
