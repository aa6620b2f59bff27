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

    A text of equal tokens is stored as one token, however many there are: their values are equal
    in every layer, since the attention of one to the others returns the value that all have, and
    their keys differ by the rotation alone.

    Attributes:
        frames: N.
        owner: (N + M,) int32, the text of each row.
        sequences: (S + U, 6) int32: first row, number of rows, number of own frames to attend to
            (0 for a text); first row and number of tokens to attend to, and how many rows they
            are apart (0 for a token that is repeated).
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
        tokens: Sequence[int],
        *,
        device: torch.device,
    ) -> "Layout":
        """Lay out S sequences.

        Args:
            frames: S lengths.
            texts: for each sequence, the index of its text.
            lengths: number of stored tokens of each of the U texts.
            tokens: for each sequence, how many tokens it attends to: the stored ones, or one token
                so many times.
            device: where the indices are stored.
        """
        firsts = list(accumulate((*frames, *lengths), initial=0))
        words = firsts[len(frames) :]
        table = [
            (first, size, size, words[text], count, int(lengths[text] > 1))
            for first, size, text, count in zip(firsts, frames, texts, tokens, strict=False)
        ]
        table += [
            (first, length, 0, first, length, 1)
            for first, length in zip(words, lengths, strict=False)
        ]
        queries = next((size for size in SIZES if size >= max(frames)), SIZES[-1])
        work = [
            (number, block)
            for number, entry in enumerate(table)
            for block in range(-(-entry[1] // queries))
        ]
        owner = torch.tensor([*texts, *range(len(lengths))])
        widest = max(lengths)
        places = [torch.arange(length) + text * widest for text, length in enumerate(lengths)]
        return cls(
            frames=sum(frames),
            owner=owner.repeat_interleave(torch.tensor([*frames, *lengths]))
            .to(torch.int32)
            .to(device),
            sequences=torch.tensor(table, dtype=torch.int32).to(device),
            work=torch.tensor(work, dtype=torch.int32).to(device),
            queries=queries,
            tokens=torch.cat(places).to(device),
        )
