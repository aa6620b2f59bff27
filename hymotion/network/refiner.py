"""The text refiner: two transformer blocks over the text tokens alone."""

import torch.nn.functional as F
from torch import Tensor, nn

from hymotion.network.attention import additive, length_mask, merge_heads, split_heads
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

    def forward(self, x: Tensor, condition: Tensor, mask: Tensor) -> Tensor:
        """Tokens x (B, T, D), float32, condition (B, 1, D); the same tokens out."""
        gate_attention, gate_mlp = self.adaLN_modulation(condition)
        q, k, v = split_heads(self.self_attn_qkv(self.norm1(x)), self.heads)
        attended = F.scaled_dot_product_attention(
            self.self_attn_q_norm(q), self.self_attn_k_norm(k), v, attn_mask=mask
        )
        x = add_gated(x, self.self_attn_proj(merge_heads(attended)), gate=gate_attention)
        return add_gated(x, self.mlp(self.norm2(x)), gate=gate_mlp)


class RefinerBlocks(nn.Module):
    """The refiner's blocks, one after the other; a module of its own for its place in the names."""

    def __init__(self, feat_dim: int, *, heads: int, hidden: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            RefinerBlock(feat_dim, heads=heads, hidden=hidden) for _ in range(BLOCKS)
        )

    def forward(self, x: Tensor, condition: Tensor, mask: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x, condition, mask)
        return x


class TextRefiner(nn.Module):
    """Refine the encoded tokens with the flow time and the mean of the valid tokens."""

    def __init__(self, feat_dim: int, *, heads: int, hidden: int) -> None:
        super().__init__()
        self.input_embedder = nn.Linear(feat_dim, feat_dim)
        self.context_encoder = VectorEncoder(feat_dim, feat_dim)
        # The factor is 1 here, while the network's own time encoder has `time_factor`.
        self.timestep_encoder = TimeEncoder(feat_dim, factor=1.0)
        self.individual_token_refiner = RefinerBlocks(feat_dim, heads=heads, hidden=hidden)

    def forward(self, t: Tensor, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Refine tokens (B, T, D) of valid `lengths` (B,) at flow time t (B,); float32 out.

        The mean and the attention keys leave out padding tokens. What padding tokens become is
        of no consequence: nothing ever attends to them.
        """
        valid = length_mask(lengths, tokens.shape[1])
        weights = valid[..., None].float()
        # Summed in float32: the sum of 128 tokens may be beyond float16.
        mean = (tokens.float() * weights).sum(1) / weights.sum(1)
        context = self.context_encoder(mean.to(self.context_encoder.dtype))
        condition = (self.timestep_encoder(t) + context)[:, None]
        mask = additive(valid[:, None, None], tokens.dtype)
        refined: Tensor = self.individual_token_refiner(
            self.input_embedder(tokens).float(), condition, mask
        )
        return refined
