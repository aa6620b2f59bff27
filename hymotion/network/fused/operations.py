"""The operations of the fused field: Triton kernels on a GPU, the same in PyTorch elsewhere."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from hymotion.network.fused.layout import Layout
from hymotion.network.modulation import EPS

SHORT = 64
"""Sequences up to this length are handled by smaller programs of the attention kernel."""


@dataclass(frozen=True, eq=False)
class Norms:
    """Weights (head_dim,) of the RMS norms of queries and keys."""

    motion_q: Tensor
    motion_k: Tensor
    text_q: Tensor
    text_k: Tensor


@dataclass(frozen=True)
class Columns:
    """Columns of the modulation vectors at which gate, shift and scale of one update begin."""

    gate: int
    shift: int
    scale: int


def update_and_normalise(
    stream: Tensor,
    update: Tensor | None,
    *,
    modulation: Tensor,
    owner: Tensor,
    columns: Columns,
    out: Tensor,
) -> None:
    """stream += gate·update, then out = LayerNorm(stream)·(1 + scale) + shift.

    Fused because each pass over the residual stream takes as long as a small matrix product.

    Args:
        stream: (R, D) float32, changed in place.
        update: (R, D); None: the stream stays.
        modulation: (U, …) float32 vectors of each text.
        owner: (R,) int32, the text of each row.
        columns: where the vectors are.
        out: (R, D), written.
    """
    rows, width = stream.shape
    if stream.is_cuda:
        from hymotion.network.fused import kernels

        kernels.update_and_normalise[(rows,)](
            stream, out if update is None else update, modulation, owner, out,
            columns.gate, columns.shift, columns.scale, modulation.stride(0), width, EPS,
            HAS_UPDATE=update is not None, BLOCK=1 << (width - 1).bit_length(), num_warps=4,
        )  # fmt: skip
        return
    of_row = modulation[owner]
    gate, shift, scale = (
        of_row[:, start : start + width] for start in (columns.gate, columns.shift, columns.scale)
    )
    if update is not None:
        stream += gate * update
    out.copy_(torch.addcmul(shift, F.layer_norm(stream, (width,), eps=EPS), 1 + scale))


def attention(
    qkv: Tensor,
    out: Tensor,
    layout: Layout,
    norms: Norms,
    turns: Tensor,
    *,
    text_start: int,
    band: int,
) -> None:
    """Norm and rotate queries and keys, and attend: frames to their band and text, text to text.

    Args:
        qkv: (R, 3·H·head_dim), laid out as (3, heads, head_dim).
        out: (R, H·head_dim), written.
        layout: whose rows attend to which.
        norms: their weights.
        turns: (2, positions, head_dim / 2) float32, cosines and sines of the rotary angles.
        text_start: position of the first token of every text.
        band: how many frames away a frame may attend.
    """
    width = 2 * turns.shape[2]
    heads = out.shape[1] // width
    if qkv.is_cuda:
        from hymotion.network.fused import kernels

        short = layout.queries <= SHORT
        kernels.attention[(len(layout.work), heads)](
            qkv, out, layout.work, layout.sequences,
            norms.motion_q, norms.motion_k, norms.text_q, norms.text_k, turns[0], turns[1],
            qkv.stride(0), out.stride(0), heads, text_start, EPS,
            width**-0.5 * math.log2(math.e), band,
            HALF=width // 2, QUERIES=layout.queries, KEYS=64,
            num_warps=4 if short else 8, num_stages=1,
        )  # fmt: skip
        return
    for first, count, own, text, length, stride in layout.sequences.tolist():
        frames = slice(first, first + count)
        q, k, v = _heads(qkv[frames], heads)
        if not own:
            position = torch.arange(text_start, text_start + count)
            attended = F.scaled_dot_product_attention(
                _turned(q, norms.text_q, turns, position),
                _turned(k, norms.text_k, turns, position), v,
            )  # fmt: skip
        else:
            words = text + stride * torch.arange(length)
            _, text_k, text_v = _heads(qkv[words], heads)
            position = torch.arange(count)
            near = (position[:, None] - position[None]).abs() <= band
            keys = (
                _turned(k, norms.motion_k, turns, position),
                _turned(text_k, norms.text_k, turns, torch.arange(length) + text_start),
            )
            attended = F.scaled_dot_product_attention(
                _turned(q, norms.motion_q, turns, position),
                torch.cat(keys, dim=1), torch.cat((v, text_v), dim=1),
                attn_mask=torch.cat((near, near.new_ones(count, length)), dim=1),
            )  # fmt: skip
        out[frames] = attended.transpose(0, 1).flatten(1)


def gelu_linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """GELU (tanh approximation) of x·weightᵀ + bias, on a GPU in the product's own kernel."""
    if x.is_cuda:
        return torch._addmm_activation(  # noqa: SLF001 — no public function adds GELU to a product
            bias, x, weight.t(), use_gelu=True
        )
    return F.gelu(F.linear(x, weight, bias), approximate="tanh")


def _heads(qkv: Tensor, heads: int) -> tuple[Tensor, Tensor, Tensor]:
    """(R, 3·D) → q, k, v of (H, R, head_dim)."""
    q, k, v = qkv.reshape(len(qkv), 3, heads, -1).permute(1, 2, 0, 3)
    return q, k, v


def _turned(x: Tensor, weight: Tensor, turns: Tensor, position: Tensor) -> Tensor:
    """x (H, R, head_dim) after RMS norm and rotation."""
    normed = F.rms_norm(x.float(), x.shape[-1:], eps=EPS).to(x.dtype) * weight
    even, odd = normed.float().reshape(*x.shape[:-1], -1, 2).unbind(-1)
    cosine, sine = turns[:, position]
    turned = torch.stack((even * cosine - odd * sine, even * sine + odd * cosine), dim=-1)
    return turned.flatten(-2).to(x.dtype)
