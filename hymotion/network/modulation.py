"""Adaptive layer norm (Peebles & Xie 2023): shifts, scales and gates from the conditioning.

What a block reads and what it adds to is the residual stream, which is float32 whatever the
weights are: in half precision it would lose each block's work to rounding, and float16 overflows.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EPS = 1e-6


class Modulation(nn.Module):
    """SiLU, then one linear layer cut into `parts` vectors: (B, 1, D) → parts × (B, 1, D).

    The vectors are float32, so that 1 + scale keeps a small scale's digits.
    """

    def __init__(self, feat_dim: int, *, parts: int) -> None:
        super().__init__()
        self.parts = parts
        self.linear = nn.Linear(feat_dim, parts * feat_dim)

    def forward(self, condition: Tensor) -> tuple[Tensor, ...]:
        vectors: Tensor = self.linear(F.silu(condition).to(self.linear.weight.dtype)).float()
        return vectors.chunk(self.parts, dim=-1)


def modulate(x: Tensor, *, shift: Tensor, scale: Tensor, dtype: torch.dtype) -> Tensor:
    """LayerNorm without affine part (eps 1e-6), then x·(1 + scale) + shift.

    Computed in the type of x, and returned in `dtype`, the type of the weights that come next.
    """
    normed = F.layer_norm(x, x.shape[-1:], eps=EPS)
    if torch.is_grad_enabled() or dtype == normed.dtype:
        return torch.addcmul(shift, normed, 1 + scale).to(dtype)
    # One kernel that rounds as it writes, instead of two; autograd knows no such thing.
    rounded = torch.empty_like(normed, dtype=dtype)
    return torch.addcmul(shift, normed, 1 + scale, out=rounded)


def add_gated(x: Tensor, update: Tensor, *, gate: Tensor) -> Tensor:
    """x + gate·update, in the type of x, without a tensor between."""
    return torch.addcmul(x, gate, update)
