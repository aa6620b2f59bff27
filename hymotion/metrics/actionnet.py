"""The classifier's network: convolutions over time on motion features."""

import torch
from torch import Tensor, nn

from hymotion.metrics.features import FEATURES

KERNEL = 5
BLOCKS = 3


class ActionNet(nn.Module):
    """Features (B, T, 134) with a mask (B, T) → logits (B, actions).

    Frames outside the mask have no effect, so clips of different lengths can share a batch:
    normalisation is per frame, and convolutions see zeros outside the mask, as at the ends of a
    clip on its own.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, *, actions: int, width: int, dropout: float) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(FEATURES))
        self.register_buffer("scale", torch.ones(FEATURES))
        self.enter = nn.Linear(FEATURES, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(BLOCKS))
        self.mixers = nn.ModuleList(
            nn.Conv1d(width, width, KERNEL, padding=KERNEL // 2) for _ in range(BLOCKS)
        )
        self.dropout = nn.Dropout(dropout)
        self.leave = nn.Linear(2 * width, actions)

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """Compute the logits; each clip needs at least one frame in the mask."""
        inside = mask[..., None]
        x = self.enter((features - self.mean) / self.scale)
        for norm, mixer in zip(self.norms, self.mixers, strict=True):
            update = mixer((norm(x) * inside).transpose(1, 2)).transpose(1, 2)
            x = x + self.dropout(nn.functional.gelu(update))
        mean = (x * inside).sum(1) / inside.sum(1)
        most = x.masked_fill(~inside, -torch.inf).amax(1)
        logits: Tensor = self.leave(self.dropout(torch.cat((mean, most), dim=1)))
        return logits
