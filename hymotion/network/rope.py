"""Rotary position embedding over the joint sequence [motion, text].

Su et al. 2021 (RoFormer), interleaved pairs, base 10000. Motion frame i has position i; text
token j has position `train_frames` + j, also when fewer frames than `train_frames` are
computed, because that is where the tokens stood in training.
"""

import torch
from torch import Tensor

BASE = 10000.0


def rotary_turns(positions: Tensor, head_dim: int) -> Tensor:
    """(S, head_dim / 2) complex numbers cos + i·sin of the angles of integer `positions` (S,)."""
    exponent = torch.arange(0, head_dim, 2, device=positions.device, dtype=torch.float32)
    angle = positions.float()[:, None] * BASE ** (-exponent / head_dim)
    return torch.polar(torch.ones_like(angle), angle)


def rotate(x: Tensor, turns: Tensor) -> Tensor:
    """Rotate x (B, H, S, head_dim) pair by pair by `turns`; computed in float32, x's type kept."""
    # A pair as a complex number: one product instead of four and two sums.
    pairs = torch.view_as_complex(x.float().reshape(*x.shape[:-1], -1, 2))
    return torch.view_as_real(pairs * turns).flatten(-2).to(x.dtype)


def joint_positions(frames: int, tokens: int, *, text_start: int, device: torch.device) -> Tensor:
    """Positions (frames + tokens,) of [motion, text]; text starts at `text_start`."""
    return torch.cat(
        (
            torch.arange(frames, device=device),
            torch.arange(text_start, text_start + tokens, device=device),
        )
    )
