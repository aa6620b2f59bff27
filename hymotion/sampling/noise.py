"""The noise a motion starts from."""

from collections.abc import Sequence

import torch
from torch import Tensor


def draw_noise(seed: int, *, frames: int, train_frames: int, width: int) -> Tensor:
    """N(0, 1) noise (frames, width), float32 on the CPU, from `seed` alone.

    Drawn for the training length and cut, so frame i has the same noise whatever length is
    wanted; drawn on the CPU, so a seed means the same motion on every card.
    """
    generator = torch.Generator(device="cpu").manual_seed(seed)
    return torch.randn(1, train_frames, width, generator=generator)[0, :frames]


def draw_pack(seeds: Sequence[int], *, frames: int, train_frames: int, width: int) -> Tensor:
    """Noise (B, frames, width) of B seeds; each row is what `draw_noise` gives."""
    return torch.stack(
        [draw_noise(seed, frames=frames, train_frames=train_frames, width=width) for seed in seeds]
    )
