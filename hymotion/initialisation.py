"""Weights from a seed: the same bits on every machine and with every version of torch.

torch's own generators promise neither, so the bits come from PCG64's raw output, whose stream
numpy keeps stable, and only exact or correctly rounded operations touch them.
"""

import hashlib

import numpy as np
import torch
from torch import Tensor, nn

QUIET = 0.5
"""Spread of the layers that write into the residual stream or out of it, against 1 of others."""

QUIET_NAMES = ("proj.weight", "fc2.weight", "linear2.weight", "final_layer.linear.weight")

NULLS = ("null_", "special_game_")


def seed_weights(module: nn.Module, seed: int) -> None:
    """Fill every parameter of `module` in place, in the order of the names.

    Linear weights are uniform with variance 1/fan_in; norms are 1; biases are small; free
    vectors (the null features) have variance 1.
    """
    with torch.no_grad():
        for name, parameter in sorted(module.named_parameters()):
            key = int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:8], "big")
            low, spread = _range(name, parameter)
            parameter.copy_(low + spread * _uniform(key, parameter))


def weights_sha256(module: nn.Module) -> str:
    """Hash of every tensor's name, shape and float32 bits, on whatever device it lies."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name}{tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().float().cpu().contiguous().numpy().astype("<f4").tobytes())
    return digest.hexdigest()


def _range(name: str, parameter: Tensor) -> tuple[float, float]:
    """Middle and half width of a parameter's uniform distribution."""
    if name.startswith(NULLS):
        return 0.0, 3**0.5
    if parameter.ndim == 2:
        gain = QUIET if name.endswith(QUIET_NAMES) else 1.0
        return 0.0, gain * (3.0 / parameter.shape[1]) ** 0.5
    if name.endswith("bias"):
        return 0.0, 0.02
    return 1.0, 0.0


def _uniform(key: int, like: Tensor) -> Tensor:
    """Numbers in (−1, 1) with 24 bits each, exact in float32, in the shape of `like`."""
    raw = np.random.PCG64(key).random_raw(like.numel())
    steps = (raw >> np.uint64(40)).astype(np.float64)
    return torch.from_numpy(((steps + 0.5) / 2**23 - 1).astype(np.float32)).reshape(like.shape)
