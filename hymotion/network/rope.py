"""Rotary position embedding over the joint sequence [motion, text].

Su et al. 2021 (RoFormer), interleaved pairs, base 10000. Motion frame i has position i; text
token j has position `train_frames` + j, also when fewer frames than `train_frames` are
computed, because that is where the tokens stood in training.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

BASE = 10000.0


@dataclass(frozen=True)
class Rotary:
    """The turns of a sequence, (S, head_dim / 2) complex numbers cos + i·sin of its angles."""

    turns: Tensor

    @classmethod
    def of(cls, positions: Tensor, head_dim: int) -> "Rotary":
        """Angles of integer `positions` (S,) for heads of width `head_dim`."""
        exponent = torch.arange(0, head_dim, 2, device=positions.device, dtype=torch.float32)
        angle = positions.float()[:, None] * BASE ** (-exponent / head_dim)
        return cls(torch.polar(torch.ones_like(angle), angle))

    def head(self, length: int) -> "Rotary":
        """The first `length` positions."""
        return Rotary(self.turns[:length])

    def tail(self, start: int) -> "Rotary":
        """The positions from index `start` on."""
        return Rotary(self.turns[start:])

    def rotate(self, x: Tensor) -> Tensor:
        """Rotate x (B, H, S, head_dim) pair by pair; computed in float32, x's type kept."""
        # A pair as a complex number: one product instead of four and two sums.
        pairs = torch.view_as_complex(x.float().reshape(*x.shape[:-1], -1, 2))
        return torch.view_as_real(pairs * self.turns).flatten(-2).to(x.dtype)


def joint_positions(frames: int, tokens: int, *, text_start: int, device: torch.device) -> Tensor:
    """Positions (frames + tokens,) of [motion, text]; text starts at `text_start`."""
    return torch.cat(
        (
            torch.arange(frames, device=device),
            torch.arange(text_start, text_start + tokens, device=device),
        )
    )
