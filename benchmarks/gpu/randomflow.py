"""Networks of the published sizes with random weights and velocities of realistic size.

The weights are drawn on the device from a seed, so every call gives the same weights. The output is
not a real motion, but the computation is that of the published network.
"""

from __future__ import annotations

import torch

from hymotion.config import ModelConfig, NetworkConfig
from hymotion.network.flow import FlowModel

SIZES = {
    "random-full": NetworkConfig(
        feat_dim=1280, num_layers=27, num_heads=20,
        ctxt_input_dim=4096, vtxt_input_dim=768, train_frames=360,
    ),
    "random-lite": NetworkConfig(
        feat_dim=1024, num_layers=18, num_heads=16,
        ctxt_input_dim=4096, vtxt_input_dim=768, train_frames=360,
    ),
}  # fmt: skip
"""As published."""

SMALL = NetworkConfig(
    feat_dim=64, num_layers=3, num_heads=2, ctxt_input_dim=48, vtxt_input_dim=24, train_frames=360
)
"""A miniature, to see that a benchmark works."""

GATES = 0.3
"""Deviation of shifts, scales and gates: the streams grow with depth, as trained ones do."""


def random_config(network: NetworkConfig, *, steps: int = 50) -> ModelConfig:
    """The configuration of such a network, with the sampling of the published models."""
    return ModelConfig(
        network=network,
        null_ctxt=True,
        text_encoder="qwen3",
        max_text_tokens=128,
        steps=steps,
        guidance=5.0,
    )


def random_flow(config: ModelConfig, *, device: torch.device, seed: int = 0) -> FlowModel:
    """The network with its weights on the device, float32.

    Every layer keeps the size of what goes through it: its weights have deviation 1/√inputs.
    """
    with torch.device("meta"):
        flow = FlowModel(config)
    flow = flow.to_empty(device=device)
    generator = torch.Generator(device=device).manual_seed(seed)
    with torch.no_grad():
        for name, weights in flow.named_parameters():
            if weights.ndim == 1 and name.endswith("weight"):  # of a norm
                weights.fill_(1.0)
            elif weights.ndim != 2:
                weights.normal_(std=0.02, generator=generator)
            else:
                size = GATES if "mod" in name else 1.0
                weights.normal_(std=size / weights.shape[1] ** 0.5, generator=generator)
        flow.mean.copy_(_mean(flow.mean))
        flow.std.fill_(0.3)
    return flow


def _mean(like: torch.Tensor) -> torch.Tensor:
    """The mean of a standing body: every rotation is that of the rest pose."""
    mean = torch.zeros_like(like)
    mean[3:135] = torch.tensor([1.0, 0.0, 0.0, 1.0, 0.0, 0.0], device=like.device).repeat(22)
    mean[1] = 0.9
    return mean
