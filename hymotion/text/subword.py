"""A small text encoder that is trained together with its model, on words and subword pieces.

A token's vector is the sum of its word's vector, if the word occurred in training, the mean of
its pieces' vectors (Bojanowski et al. 2017) and its position's vector. Unknown words have only
their pieces, so that quality degrades gradually.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hymotion.conditioning import TextBatch, TextConditioning
from hymotion.config import SubwordConfig
from hymotion.text.words import buckets_of, tokens_of

POOLS = 4
"""Number of weighted means over the tokens in the pooled features."""


def _embedding(count: int, width: int) -> nn.Embedding:
    """An embedding with normally distributed weights, or without values on the meta device.

    There PyTorch's own initialisation imports the compiler, which takes a second.
    """
    embedding = nn.Embedding(count, width, _weight=torch.empty(count, width))
    if not embedding.weight.is_meta:
        nn.init.normal_(embedding.weight)
    return embedding


class SubwordEmbedding(nn.Module):
    """Token features (B, T, Dc) and pooled features (B, 1, Dv) from words and pieces.

    Args:
        config: the sizes.
        words: number of known words; word 0 stands for all others.
    """

    def __init__(self, config: SubwordConfig, *, words: int) -> None:
        super().__init__()
        width = config.width
        self.words = _embedding(words + 1, width)
        self.pieces = _embedding(config.buckets, width)
        self.places = _embedding(config.max_tokens, width)
        self.neighbours = nn.Linear(3 * width, 2 * width)
        self.mix = nn.Linear(2 * width, width)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.tokens = nn.Linear(width, config.ctxt_dim)
        self.attend = nn.Linear(width, POOLS)
        self.pooled = nn.Linear(POOLS * width, config.vtxt_dim)

    def piece_vectors(self, shares: Tensor) -> Tensor:
        """(…, width) mean vectors of pieces, from (…, buckets) shares of each bucket."""
        return shares @ self.pieces.weight

    def forward(self, words: Tensor, pieces: Tensor, lengths: Tensor) -> TextBatch:
        """Features of B prompts.

        Args:
            words: (B, T) indices of known words, 0 for the others.
            pieces: (B, T, width) each token's vector from `piece_vectors`.
            lengths: (B,) valid tokens.
        """
        size = words.shape[1]
        valid = (torch.arange(size, device=words.device) < lengths[:, None])[..., None]
        known = torch.arange(len(self.words.weight), device=words.device) == words[..., None]
        # A matrix product instead of a lookup, for its gradient: see `Prompts.pieces`.
        x = (known.to(pieces.dtype) @ self.words.weight + pieces + self.places.weight[:size]).where(
            valid, 0.0
        )
        around = torch.cat((F.pad(x, (0, 0, 1, 0))[:, :-1], x, F.pad(x, (0, 0, 0, 1))[:, 1:]), -1)
        x = self.norm(x + self.mix(F.silu(self.neighbours(around))))
        weights = self.attend(x).masked_fill(~valid, float("-inf")).softmax(1)
        pooled = torch.einsum("btp,btw->bpw", weights, x).flatten(1)
        ctxt = self.tokens(x).where(valid, 0.0)
        return TextBatch(vtxt=self.pooled(pooled)[:, None], ctxt=ctxt, length=lengths)


class SubwordEncoder:
    """Encodes prompts with a trained embedding, on the CPU in float32.

    Attributes:
        vocabulary: the words of the training texts, ordered by index from 1.
    """

    def __init__(
        self, *, config: SubwordConfig, embedding: SubwordEmbedding, vocabulary: Sequence[str]
    ) -> None:
        self.config = config
        self.vocabulary = tuple(vocabulary)
        self._embedding = embedding.requires_grad_(False).float().cpu().eval()
        self._numbers = {word: number for number, word in enumerate(self.vocabulary, start=1)}

    def encode(self, prompts: Sequence[str]) -> list[TextConditioning]:
        """One conditioning per prompt, encoded independently."""
        with torch.inference_mode():
            return [self._encode(prompt) for prompt in prompts]

    def unknown(self, prompt: str) -> tuple[str, ...]:
        """The prompt's words that did not occur in training, in order."""
        tokens = tokens_of(prompt, limit=self.config.max_tokens)
        return tuple(token for token in tokens if token not in self._numbers)

    def _encode(self, prompt: str) -> TextConditioning:
        tokens = tokens_of(prompt, limit=self.config.max_tokens)
        words = torch.tensor([[self._numbers.get(token, 0) for token in tokens]])
        vectors = self._embedding.piece_vectors(piece_shares(tokens, self.config.buckets))[None]
        batch = self._embedding(words, vectors, torch.tensor([len(tokens)]))
        return TextConditioning(
            vtxt=batch.vtxt[0].clone(), ctxt=batch.ctxt[0].clone(), length=len(tokens)
        )


def piece_shares(tokens: Sequence[str], buckets: int) -> Tensor:
    """(F, buckets) fraction of each token's pieces in each bucket; zeros without pieces."""
    shares = torch.zeros(len(tokens), buckets)
    for row, token in zip(shares, tokens, strict=True):
        found = buckets_of(token, buckets)
        if found:
            row.index_add_(0, torch.tensor(found), torch.full((len(found),), 1 / len(found)))
    return shares
