"""Embeddings of the flow time, and the small MLPs at the network's doors."""

import torch
from torch import Tensor, nn

LOG_PERIOD = 9.21034049987793
"""ln 10000 in float32, as training had it."""


def sinusoid(t: Tensor, width: int, *, factor: float) -> Tensor:
    """Sinusoidal embedding [cos, sin] of t·factor·10000^(−i/half), half = width/2.

    Args:
        t: (B,) flow time in [0, 1].
        width: even number of features.
        factor: scale of t; 1000 at the network's door, 1 inside the text refiner.

    Returns:
        (B, width), float32. Vaswani et al. 2017, section 3.5, in the order cosines then sines.
    """
    half = width // 2
    index = torch.arange(half, device=t.device, dtype=torch.float32)
    frequency = torch.exp(index * (-LOG_PERIOD / half))
    angle = t.float()[:, None] * factor * frequency[None]
    return torch.cat((angle.cos(), angle.sin()), dim=-1)


class TimeEncoder(nn.Module):
    """Sinusoid of the flow time, then Linear, SiLU, Linear: (B,) → (B, D)."""

    def __init__(self, feat_dim: int, *, factor: float) -> None:
        super().__init__()
        self.feat_dim = feat_dim
        self.factor = factor
        self.blocks = nn.Sequential(
            nn.Linear(feat_dim, feat_dim), nn.SiLU(), nn.Linear(feat_dim, feat_dim)
        )

    def forward(self, t: Tensor) -> Tensor:
        features = sinusoid(t, self.feat_dim, factor=self.factor)
        weight = self.blocks.get_parameter("0.weight")
        # The embedding is computed in float32 whatever the weights are: in half precision
        # t·1000 has too few digits left for its cosine.
        encoded: Tensor = self.blocks(features.to(weight.dtype))
        return encoded


class VectorEncoder(nn.Module):
    """Linear, SiLU, Linear on one vector: (…, in) → (…, D)."""

    def __init__(self, in_dim: int, feat_dim: int) -> None:
        super().__init__()
        self.linears = nn.Sequential(
            nn.Linear(in_dim, feat_dim), nn.SiLU(), nn.Linear(feat_dim, feat_dim)
        )

    @property
    def dtype(self) -> torch.dtype:
        """The type that it takes its vector in."""
        return self.linears.get_parameter("0.weight").dtype

    def forward(self, x: Tensor) -> Tensor:
        encoded: Tensor = self.linears(x)
        return encoded


class FeedForward(nn.Module):
    """Two linear layers with an activation between: (…, D) → (…, D)."""

    def __init__(self, feat_dim: int, hidden: int, *, activation: nn.Module) -> None:
        super().__init__()
        self.fc1 = nn.Linear(feat_dim, hidden)
        self.activation = activation
        self.fc2 = nn.Linear(hidden, feat_dim)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.fc2(self.activation(self.fc1(x)))
        return y
