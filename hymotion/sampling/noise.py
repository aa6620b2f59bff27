"""The initial noise of a motion."""

from collections.abc import Sequence

import torch
from torch import Tensor


def draw_noise(seed: int, *, frames: int, train_frames: int, width: int) -> Tensor:
    """N(0, 1) noise (frames, width), float32 on the CPU, determined by `seed` alone.

    It is drawn for the training length and cut, so frame i has the same noise at every length.
    It is drawn on the CPU, so a seed gives the same motion on every GPU.
    """
    generator = torch.Generator(device="cpu").manual_seed(seed)
    return torch.randn(1, train_frames, width, generator=generator)[0, :frames]


def draw_pack(seeds: Sequence[int], *, frames: int, train_frames: int, width: int) -> Tensor:
    """Noise (B, frames, width) for B seeds; each row equals `draw_noise` of its seed."""
    return torch.stack(
        [draw_noise(seed, frames=frames, train_frames=train_frames, width=width) for seed in seeds]
    )
