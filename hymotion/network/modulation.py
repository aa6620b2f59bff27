"""Adaptive layer norm (Peebles & Xie 2023): shifts, scales and gates from the conditioning."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Modulation(nn.Module):
    """SiLU, then one linear layer cut into `parts` vectors: (B, 1, D) → parts × (B, 1, D)."""

    def __init__(self, feat_dim: int, *, parts: int) -> None:
        super().__init__()
        self.parts = parts
        self.linear = nn.Linear(feat_dim, parts * feat_dim)

    def forward(self, condition: Tensor) -> tuple[Tensor, ...]:
        vectors: Tensor = self.linear(F.silu(condition))
        return vectors.chunk(self.parts, dim=-1)


def modulate(x: Tensor, *, shift: Tensor, scale: Tensor) -> Tensor:
    """LayerNorm without affine part (eps 1e-6), then x·(1 + scale) + shift."""
    normed = F.layer_norm(x, x.shape[-1:], eps=1e-6)
    return torch.addcmul(shift, normed, 1 + scale)
