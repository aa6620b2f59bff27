"""Whether the fused field runs on a device, and computes there what the field itself does."""

import importlib.util
import logging

import torch

from hymotion.conditioning import TextBatch
from hymotion.config import NetworkConfig
from hymotion.device import AMPERE
from hymotion.network.field import VelocityField
from hymotion.network.fused.field import FusedField
from hymotion.network.fused.layout import SIZES

log = logging.getLogger(__name__)

HEADS = (16, 32, 64, 128)
"""Widths of attention heads that the kernels handle: powers of two that fill a matrix unit."""

TOKENS = 4
TOLERANCE = 0.05
"""Largest relative deviation in the trial. Half precision rounds to 0.002; a wrong kernel is off
by about 1."""


def unsupported(config: NetworkConfig, device: torch.device) -> str | None:
    """Why the fused field cannot run on a device, or None."""
    if device.type != "cuda":
        return "the device is no NVIDIA GPU"
    if torch.cuda.get_device_capability(device) < AMPERE:
        return f"{torch.cuda.get_device_name(device)} is older than Ampere"
    if config.head_dim not in HEADS:
        return f"attention heads of {config.head_dim} are not one of {HEADS}"
    if importlib.util.find_spec("triton") is None:
        return "Triton is not installed"
    return None


def fused_on(field: VelocityField, device: torch.device) -> tuple[FusedField | None, str]:
    """The fused field of a field on a device, tried once, or the reason why there is none.

    The trial also compiles the kernels, which differ by the length of sequences, so that no pack
    waits for that.
    """
    reason = unsupported(field.config, device)
    if reason is not None:
        return None, reason
    fused = FusedField(field)
    try:
        apart = max(_deviation(field, fused, device, frames) for frames in SIZES)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # noqa: BLE001  # compilers fail in many ways, and eager still runs
        reason = f"its kernels failed: {type(error).__name__}: {str(error).partition(chr(10))[0]}"
    else:
        if apart <= TOLERANCE:
            return fused, ""
        reason = f"its kernels are off by {apart:.2g}"
    log.warning("the fused field is not used: %s", reason)
    return None, reason


def _deviation(field: VelocityField, fused: FusedField, device: torch.device, length: int) -> float:
    """‖fused − field‖ / ‖field‖ of two sequences of a length under two texts."""
    config = field.config
    generator = torch.Generator().manual_seed(0)

    def drawn(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator).to(device)

    lengths = torch.tensor([TOKENS, TOKENS - 1], device=device)
    texts = TextBatch(
        vtxt=drawn(2, 1, config.vtxt_input_dim),
        ctxt=drawn(2, TOKENS, config.ctxt_input_dim).to(field.dtype),
        length=lengths,
    )
    x, t = drawn(2, length, config.input_dim), torch.tensor([0.5], device=device)
    with torch.inference_mode():
        frames = torch.full((2,), length, device=device)
        wanted = field(x, t.expand(2), field.prepare(texts, frames, length=length)).float()
        context = fused.prepare(
            texts,
            frames=[length] * 2,
            owners=[0, 1],
            lengths=[TOKENS, TOKENS - 1],
            tokens=[TOKENS, TOKENS - 1],
            source=torch.arange(2 * length, device=device),
        )
        found = fused(x.flatten(0, 1), t, context).reshape(wanted.shape)
        return float((found - wanted).norm() / wanted.norm())
