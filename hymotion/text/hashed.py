"""A text encoder without weights: hashed word pieces, for the bundled tiny models.

Features have the final shapes and depend on every word and on the order of the words, but
carry no meaning: words that mean the same are as far apart as any two.
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hymotion.conditioning import TextConditioning

PIECE = 5
"""Characters a word piece has at most."""

START = "<prompt>"
"""The first token of every prompt, so that an empty one has a token too."""

WORD = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True)
class HashedEncoder:
    """Maps each word piece to a fixed vector that is drawn from its hash.

    Attributes:
        vtxt_dim: Dv, width of the pooled features.
        ctxt_dim: Dc, width of the token features.
        max_tokens: what comes after so many tokens is cut off.
    """

    vtxt_dim: int
    ctxt_dim: int
    max_tokens: int

    def encode(self, prompts: Sequence[str]) -> list[TextConditioning]:
        """One conditioning a prompt; case, spacing and Unicode composition do not matter."""
        return [self._encode(prompt) for prompt in prompts]

    def _encode(self, prompt: str) -> TextConditioning:
        tokens = self._tokens(prompt)
        ctxt = torch.stack([_vector("token", token, self.ctxt_dim) for token in tokens])
        # Pairs of neighbours make the pooled features feel the order of the words.
        pairs = [f"{a} {b}" for a, b in zip(tokens, [*tokens[1:], ""], strict=True)]
        pooled = torch.stack([_vector("pair", pair, self.vtxt_dim) for pair in pairs])
        # A sum of n independent vectors over √n has the variance of one.
        vtxt = pooled.sum(0, keepdim=True) / len(pairs) ** 0.5
        return TextConditioning(vtxt=vtxt, ctxt=ctxt, length=len(tokens))

    def _tokens(self, prompt: str) -> list[str]:
        tokens = [START]
        # A prompt can be far longer than what is kept, so nothing beyond is even looked at.
        for piece in _pieces(prompt):
            if len(tokens) == self.max_tokens:
                break
            tokens.append(piece)
        return tokens


def _pieces(prompt: str) -> Iterator[str]:
    """Word pieces of a prompt; a piece that continues a word starts with '##'."""
    for match in WORD.finditer(unicodedata.normalize("NFKC", prompt).casefold()):
        word = match.group()
        for start in range(0, len(word), PIECE):
            yield ("##" if start else "") + word[start : start + PIECE]


def _vector(kind: str, text: str, width: int) -> Tensor:
    """(width,) numbers of mean 0 and variance 1, uniform, from the text's hash."""
    # Prompts come from files and terminals: a lone surrogate is odd but no reason to fail.
    key = f"{kind}\0{text}".encode("utf-8", "surrogatepass")
    digest = hashlib.shake_256(key).digest(2 * width)
    steps = np.frombuffer(digest, dtype="<u2").astype(np.float64)
    uniform = (steps + 0.5) / 2**15 - 1
    return torch.from_numpy((uniform * 3**0.5).astype(np.float32))
