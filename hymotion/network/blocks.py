"""The transformer blocks of the velocity field: double-stream, single-stream, final layer."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hymotion.network.attention import RMSNorm, joint_attention, split_heads
from hymotion.network.context import Context
from hymotion.network.embedding import FeedForward
from hymotion.network.modulation import Modulation, add_gated, modulate
from hymotion.network.rope import rotate

QKV = tuple[Tensor, Tensor, Tensor]


class DoubleBlock(nn.Module):
    """Motion and text with weights of their own, joined in one attention."""

    def __init__(self, feat_dim: int, *, heads: int, hidden: int) -> None:
        super().__init__()
        self.heads = heads
        width = feat_dim // heads
        self.motion_mod = Modulation(feat_dim, parts=6)
        self.motion_qkv = nn.Linear(feat_dim, 3 * feat_dim)
        self.motion_q_norm = RMSNorm(width)
        self.motion_k_norm = RMSNorm(width)
        self.motion_out_proj = nn.Linear(feat_dim, feat_dim)
        self.motion_mlp = FeedForward(feat_dim, hidden, activation=nn.GELU(approximate="tanh"))
        self.text_mod = Modulation(feat_dim, parts=6)
        self.text_qkv = nn.Linear(feat_dim, 3 * feat_dim)
        self.text_q_norm = RMSNorm(width)
        self.text_k_norm = RMSNorm(width)
        self.text_out_proj = nn.Linear(feat_dim, feat_dim)
        self.text_mlp = FeedForward(feat_dim, hidden, activation=nn.GELU(approximate="tanh"))

    def forward(
        self, motion: Tensor, text: Tensor, adapter: Tensor, context: Context
    ) -> tuple[Tensor, Tensor]:
        """Motion (B, L, D), text (B, T, D), float32, adapter (B, 1, D); the same two out."""
        motion_mod = self.motion_mod(adapter)
        text_mod = self.text_mod(adapter)
        length = motion.shape[1]
        motion_out, text_out = joint_attention(
            self._motion(motion, motion_mod, context.turns[:length]),
            self._text(text, text_mod, context.turns[length:]),
            context,
        )
        motion = add_gated(motion, self.motion_out_proj(motion_out), gate=motion_mod[2])
        text = add_gated(text, self.text_out_proj(text_out), gate=text_mod[2])
        shaped = self._shaped(motion, motion_mod[3:])
        motion = add_gated(motion, self.motion_mlp(shaped), gate=motion_mod[5])
        shaped = self._shaped(text, text_mod[3:])
        return motion, add_gated(text, self.text_mlp(shaped), gate=text_mod[5])

    def _motion(self, x: Tensor, mod: tuple[Tensor, ...], turns: Tensor) -> QKV:
        q, k, v = split_heads(self.motion_qkv(self._shaped(x, mod)), self.heads)
        return rotate(self.motion_q_norm(q), turns), rotate(self.motion_k_norm(k), turns), v

    def _text(self, x: Tensor, mod: tuple[Tensor, ...], turns: Tensor) -> QKV:
        q, k, v = split_heads(self.text_qkv(self._shaped(x, mod)), self.heads)
        return rotate(self.text_q_norm(q), turns), rotate(self.text_k_norm(k), turns), v

    def _shaped(self, x: Tensor, mod: tuple[Tensor, ...]) -> Tensor:
        """The residual stream x as the next layer takes it, by the shift and scale of `mod`."""
        return modulate(x, shift=mod[0], scale=mod[1], dtype=self.motion_qkv.weight.dtype)


class SingleBlock(nn.Module):
    """Attention and MLP side by side on [motion, text] as one sequence."""

    def __init__(self, feat_dim: int, *, heads: int, hidden: int) -> None:
        super().__init__()
        self.heads = heads
        self.split = (3 * feat_dim, hidden)
        self.modulation = Modulation(feat_dim, parts=3)
        self.linear1 = nn.Linear(feat_dim, 3 * feat_dim + hidden)
        self.linear2 = nn.Linear(feat_dim + hidden, feat_dim)
        self.q_norm = RMSNorm(feat_dim // heads)
        self.k_norm = RMSNorm(feat_dim // heads)

    def forward(self, x: Tensor, length: int, adapter: Tensor, context: Context) -> Tensor:
        """x (B, L + T, D), float32, whose first `length` = L entries are frames; the same out."""
        shift, scale, gate = self.modulation(adapter)
        shaped = modulate(x, shift=shift, scale=scale, dtype=self.linear1.weight.dtype)
        qkv, hidden = self.linear1(shaped).split(self.split, dim=-1)
        q, k, v = split_heads(qkv, self.heads)
        q, k = rotate(self.q_norm(q), context.turns), rotate(self.k_norm(k), context.turns)
        attended = torch.cat(
            joint_attention(
                (q[:, :, :length], k[:, :, :length], v[:, :, :length]),
                (q[:, :, length:], k[:, :, length:], v[:, :, length:]),
                context,
            ),
            dim=1,
        )
        joined = torch.cat((attended, F.gelu(hidden, approximate="tanh")), dim=-1)
        return add_gated(x, self.linear2(joined), gate=gate)


class FinalLayer(nn.Module):
    """Modulated norm and the linear layer back to frames: (B, L, D) → (B, L, out)."""

    def __init__(self, feat_dim: int, out_dim: int) -> None:
        super().__init__()
        self.adaLN_modulation = Modulation(feat_dim, parts=2)
        self.linear = nn.Linear(feat_dim, out_dim)

    def forward(self, x: Tensor, adapter: Tensor) -> Tensor:
        shift, scale = self.adaLN_modulation(adapter)
        shaped = modulate(x, shift=shift, scale=scale, dtype=self.linear.weight.dtype)
        frames: Tensor = self.linear(shaped)
        return frames
