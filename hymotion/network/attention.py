"""Attention between motion frames and text tokens, and the masks it needs."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


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


@dataclass(frozen=True)
class JointMask:
    """Who may attend to whom, as numbers added to the scores (0 or −inf).

    Attributes:
        motion: (B, 1, L, L + T): frames see valid frames at most `band` away, and valid text.
        text: (B, 1, 1, T): tokens see valid text and never motion.

    Rows are never fully masked, since every text has at least one token: padding frames give
    numbers nobody reads, and no NaN.
    """

    motion: Tensor
    text: Tensor

    @classmethod
    def of(
        cls,
        frames: Tensor,
        tokens: Tensor,
        *,
        shape: tuple[int, int],
        band: int,
        dtype: torch.dtype,
    ) -> "JointMask":
        """Masks for valid `frames` (B,) and `tokens` (B,) in sequences of `shape` (L, T)."""
        length, width = shape
        index = torch.arange(length, device=frames.device)
        near = (index[:, None] - index[None]).abs() <= band
        seen = near[None] & length_mask(frames, length)[:, None]
        words = length_mask(tokens, width)[:, None]
        motion = torch.cat((seen, words.expand(-1, length, -1)), dim=-1)
        return cls(motion=additive(motion[:, None], dtype), text=additive(words[:, None], dtype))


def joint_attention(
    motion: tuple[Tensor, Tensor, Tensor], text: tuple[Tensor, Tensor, Tensor], mask: JointMask
) -> tuple[Tensor, Tensor]:
    """Attention over [motion, text], heads merged.

    Two calls instead of one over the whole square: text queries need the text keys alone, which
    is less work and makes it plain that text never depends on motion.

    Args:
        motion: q, k, v of the frames, each (B, H, L, head_dim).
        text: q, k, v of the tokens, each (B, H, T, head_dim).
        mask: who may attend to whom.

    Returns:
        (B, L, D) for the frames and (B, T, D) for the tokens.
    """
    keys = torch.cat((motion[1], text[1]), dim=2)
    values = torch.cat((motion[2], text[2]), dim=2)
    frames = F.scaled_dot_product_attention(motion[0], keys, values, attn_mask=mask.motion)
    tokens = F.scaled_dot_product_attention(text[0], text[1], text[2], attn_mask=mask.text)
    return merge_heads(frames), merge_heads(tokens)
