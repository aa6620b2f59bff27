"""Adaptive layer norm (Peebles & Xie 2023): shifts, scales and gates from the conditioning.

Blocks read from and add to the residual stream, which is always float32: in half precision,
rounding would lose each block's update, and float16 overflows.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EPS = 1e-6


class Modulation(nn.Module):
    """SiLU, then one linear layer cut into `parts` vectors: (B, 1, D) → parts × (B, 1, D).

    The vectors are float32, so that 1 + scale keeps the digits of a small scale.
    """

    def __init__(self, feat_dim: int, *, parts: int) -> None:
        super().__init__()
        self.parts = parts
        self.linear = nn.Linear(feat_dim, parts * feat_dim)

    def forward(self, condition: Tensor) -> tuple[Tensor, ...]:
        vectors: Tensor = self.linear(F.silu(condition).to(self.linear.weight.dtype)).float()
        return vectors.chunk(self.parts, dim=-1)


def modulate(x: Tensor, *, shift: Tensor, scale: Tensor, dtype: torch.dtype) -> Tensor:
    """LayerNorm without affine parameters (eps 1e-6), then x·(1 + scale) + shift.

    Computed in the type of x and returned in `dtype`, the type of the next layer's weights.
    """
    normed = F.layer_norm(x, x.shape[-1:], eps=EPS)
    if torch.is_grad_enabled() or dtype == normed.dtype:
        return torch.addcmul(shift, normed, 1 + scale).to(dtype)
    # One kernel that casts as it writes, instead of two; autograd does not support out=.
    rounded = torch.empty_like(normed, dtype=dtype)
    return torch.addcmul(shift, normed, 1 + scale, out=rounded)


def add_gated(x: Tensor, update: Tensor, *, gate: Tensor) -> Tensor:
    """x + gate·update in the type of x, without an intermediate tensor."""
    return torch.addcmul(x, gate, update)
