"""What a model is computed in on a device, and when that is given up. No torch in here.

The fastest precision is taken whose distance from float32 is known: docs/precision.md has the
figures. What breaks in it is sampled again in float32; where that happens too often, the worker
goes on in float32.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from jobs.errors import SettingsError

log = logging.getLogger(__name__)

FLAG = "--dtype"
AUTO = "auto"
SAFE = "float32"
"""What every device computes in, and what broken motions are sampled again in."""

Capability = tuple[int, int]

NEEDS: Mapping[str, Capability | None] = {
    "float32": None,
    "tf32": (8, 0),
    "bfloat16": (8, 0),
    "float16": (7, 0),
}
"""The CUDA compute capability that a precision is worth something from; None: any device."""

CHOICES = (AUTO, *NEEDS)

FASTEST: Mapping[str, tuple[str, ...]] = {"hy-motion-1.0": ("bfloat16", "float16")}
"""Model → the precisions that `auto` may take, the best first. A model that is not here, like one
of your own, has no documented distance and is computed in float32; so are the tiny ones, which
are too small to gain anything and which bfloat16 moves by more than a centimetre."""


def choose(asked: str, *, device_kind: str, capability: Capability | None, model: str) -> str:
    """The precision that a worker computes a model in.

    Args:
        asked: `--dtype`: "auto", or one of the precisions.
        device_kind: "cpu" or "cuda".
        capability: CUDA compute capability; None for a CPU.
        model: name in the catalog.

    Raises:
        SettingsError: no such precision, or this device has none such.
    """
    if asked == AUTO:
        return default_dtype(device_kind, capability, model)
    if asked not in NEEDS:
        raise SettingsError(FLAG, asked, f"choose one of {', '.join(CHOICES)}")
    if _has(asked, device_kind, capability):
        return asked
    if capability is None:
        # A CPU's half precision is of use to nobody but those who compare; TF32 it has not.
        if asked != "tf32":
            return asked
        raise SettingsError(FLAG, asked, f"a CPU has none; leave {FLAG} out, or give {SAFE}")
    major, minor = NEEDS[asked] or capability
    instead = default_dtype(device_kind, capability, model)
    raise SettingsError(
        FLAG,
        asked,
        f"it needs compute capability {major}.{minor}, this card has "
        f"{capability[0]}.{capability[1]}; leave {FLAG} out for {instead}"
        + (", or give float16" if instead == SAFE and capability >= (7, 0) else ""),
    )


def default_dtype(device_kind: str, capability: Capability | None, model: str) -> str:
    """The fastest precision of the device whose distance from float32 is documented.

    Args:
        device_kind: "cpu" or "cuda".
        capability: CUDA compute capability; None for a CPU.
        model: name in the catalog.
    """
    for precision in FASTEST.get(model, ()):
        if _has(precision, device_kind, capability):
            return precision
    return SAFE


def _has(precision: str, device_kind: str, capability: Capability | None) -> bool:
    need = NEEDS[precision]
    if need is None:
        return True
    return device_kind == "cuda" and capability is not None and capability >= need
