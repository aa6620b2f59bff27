"""Attention between motion frames and text tokens, and the masks it needs."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hymotion.network.context import Context


class RMSNorm(nn.Module):
    """Root-mean-square norm over the last axis (Zhang & Sennrich 2019), eps 1e-6.

    Computed in float32, cast back to the input's type, then multiplied with the weight.
    """

    def __init__(self, width: int, *, eps: float = 1e-6) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        normed = F.rms_norm(x.float(), x.shape[-1:], eps=self.eps)
        return normed.to(x.dtype) * self.weight


def split_heads(qkv: Tensor, heads: int) -> tuple[Tensor, Tensor, Tensor]:
    """Split (B, S, 3·D), laid out as (3, heads, head_dim), into q, k, v of (B, H, S, head_dim)."""
    batch, length, width = qkv.shape
    split = qkv.reshape(batch, length, 3, heads, width // (3 * heads))
    q, k, v = split.permute(2, 0, 3, 1, 4).unbind(0)
    return q, k, v


def merge_heads(x: Tensor) -> Tensor:
    """(B, H, S, head_dim) → (B, S, H·head_dim)."""
    return x.transpose(1, 2).flatten(2)


def length_mask(lengths: Tensor, size: int) -> Tensor:
    """(B,) lengths → (B, size) booleans, true where an index is below the length."""
    return torch.arange(size, device=lengths.device)[None] < lengths[:, None]


def additive(allowed: Tensor, dtype: torch.dtype) -> Tensor:
    """A boolean mask (true = may attend) as the 0 / −inf that is added to the scores."""
    zeros = torch.zeros(allowed.shape, dtype=dtype, device=allowed.device)
    return zeros.masked_fill(~allowed, float("-inf"))


def joint_masks(
    frames: Tensor, tokens: Tensor, *, shape: tuple[int, int], band: int, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """The masks of `Context` for valid `frames` (B,) and `tokens` (B,) in sequences (L, T)."""
    length, width = shape
    index = torch.arange(length, device=frames.device)
    near = (index[:, None] - index[None]).abs() <= band
    seen = near[None] & length_mask(frames, length)[:, None]
    words = length_mask(tokens, width)[:, None]
    motion = torch.cat((seen, words.expand(-1, length, -1)), dim=-1)
    return additive(motion[:, None], dtype), additive(words[:, None], dtype)


def joint_attention(
    motion: tuple[Tensor, Tensor, Tensor], text: tuple[Tensor, Tensor, Tensor], context: Context
) -> tuple[Tensor, Tensor]:
    """Attention over [motion, text], heads merged.

    Two calls instead of one over the whole square: text queries need the text keys alone, which
    is less work and makes it plain that text never depends on motion.

    Args:
        motion: q, k, v of the frames, each (B, H, L, head_dim).
        text: q, k, v of the tokens, each (B, H, T, head_dim).
        context: has the masks.

    Returns:
        (B, L, D) for the frames and (B, T, D) for the tokens.
    """
    keys = torch.cat((motion[1], text[1]), dim=2)
    values = torch.cat((motion[2], text[2]), dim=2)
    frames = F.scaled_dot_product_attention(motion[0], keys, values, attn_mask=context.motion_mask)
    tokens = F.scaled_dot_product_attention(text[0], text[1], text[2], attn_mask=context.text_mask)
    return merge_heads(frames), merge_heads(tokens)
