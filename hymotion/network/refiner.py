"""The text refiner: two transformer blocks over the text tokens alone."""

from typing import cast

import torch.nn.functional as F
from torch import Tensor, nn

from hymotion.network.attention import length_mask, merge_heads, split_heads
from hymotion.network.context import Context
from hymotion.network.embedding import FeedForward, TimeEncoder, VectorEncoder
from hymotion.network.modulation import Modulation, add_gated

BLOCKS = 2
EPS = 1e-6


class StreamNorm(nn.LayerNorm):
    """LayerNorm of the residual stream: computed in its type, returned in the weights' own."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 — the parent's name
        weight, bias = self.weight.to(input.dtype), self.bias.to(input.dtype)
        normed = F.layer_norm(input, self.normalized_shape, weight, bias, self.eps)
        return normed.to(self.weight.dtype)


class RefinerBlock(nn.Module):
    """Pre-norm attention and MLP, each behind a gate.

    Differs from the blocks of the main network: affine LayerNorms, LayerNorm instead of RMSNorm
    on q and k, SiLU in the MLP, no rotary positions, gates without shift and scale.
    """

    def __init__(self, feat_dim: int, *, heads: int, hidden: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = StreamNorm(feat_dim, eps=EPS)
        self.self_attn_qkv = nn.Linear(feat_dim, 3 * feat_dim)
        self.self_attn_q_norm = nn.LayerNorm(feat_dim // heads, eps=EPS)
        self.self_attn_k_norm = nn.LayerNorm(feat_dim // heads, eps=EPS)
        self.self_attn_proj = nn.Linear(feat_dim, feat_dim)
        self.norm2 = StreamNorm(feat_dim, eps=EPS)
        self.mlp = FeedForward(feat_dim, hidden, activation=nn.SiLU())
        self.adaLN_modulation = Modulation(feat_dim, parts=2)

    def attend(self, x: Tensor, mask: Tensor) -> Tensor:
        """What attention says of tokens x (B, T, D), float32; knows nothing of the flow time."""
        q, k, v = split_heads(self.self_attn_qkv(self.norm1(x)), self.heads)
        attended = F.scaled_dot_product_attention(
            self.self_attn_q_norm(q), self.self_attn_k_norm(k), v, attn_mask=mask
        )
        update: Tensor = self.self_attn_proj(merge_heads(attended))
        return update

    def forward(self, x: Tensor, attended: Tensor, condition: Tensor) -> Tensor:
        """Tokens x (B, T, D), what `attend` says of them, condition (B, 1, D); the tokens out."""
        gate_attention, gate_mlp = self.adaLN_modulation(condition)
        x = add_gated(x, attended, gate=gate_attention)
        return add_gated(x, self.mlp(self.norm2(x)), gate=gate_mlp)


class RefinerBlocks(nn.Module):
    """The refiner's blocks, one after the other; a module of its own for its place in the names."""

    def __init__(self, feat_dim: int, *, heads: int, hidden: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            RefinerBlock(feat_dim, heads=heads, hidden=hidden) for _ in range(BLOCKS)
        )

    def attend(self, x: Tensor, mask: Tensor) -> Tensor:
        """See `RefinerBlock.attend`; of the first block."""
        return self._typed()[0].attend(x, mask)

    def forward(self, condition: Tensor, context: Context) -> Tensor:
        first, *others = self._typed()
        x: Tensor = first(context.tokens, context.attended, condition)
        for block in others:
            x = block(x, block.attend(x, context.text_mask), condition)
        return x

    def _typed(self) -> list[RefinerBlock]:
        return cast("list[RefinerBlock]", list(self.blocks))


class TextRefiner(nn.Module):
    """Refine the encoded tokens with the flow time and the mean of the valid tokens."""

    def __init__(self, feat_dim: int, *, heads: int, hidden: int) -> None:
        super().__init__()
        self.input_embedder = nn.Linear(feat_dim, feat_dim)
        self.context_encoder = VectorEncoder(feat_dim, feat_dim)
        # The factor is 1 here, while the network's own time encoder has `time_factor`.
        self.timestep_encoder = TimeEncoder(feat_dim, factor=1.0)
        self.individual_token_refiner = RefinerBlocks(feat_dim, heads=heads, hidden=hidden)

    def prepare(
        self, tokens: Tensor, lengths: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """`tokens`, `attended` and `mean` of `Context` for tokens (B, T, D) of valid `lengths`.

        The mean and the attention keys leave out padding tokens. What padding tokens become is
        of no consequence: nothing ever attends to them.
        """
        weights = length_mask(lengths, tokens.shape[1])[..., None].float()
        # Summed in float32: the sum of 128 tokens may be beyond float16.
        mean = (tokens.float() * weights).sum(1) / weights.sum(1)
        embedded = self.input_embedder(tokens).float()
        attended = self.individual_token_refiner.attend(embedded, mask)
        return embedded, attended, self.context_encoder(mean.to(self.context_encoder.dtype))

    def forward(self, t: Tensor, context: Context) -> Tensor:
        """Refined tokens (B, T, D), float32, at flow time t (B,)."""
        condition = (self.timestep_encoder(t) + context.mean)[:, None]
        refined: Tensor = self.individual_token_refiner(condition, context)
        return refined
