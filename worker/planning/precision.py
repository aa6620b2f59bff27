"""The number type that a model is computed in on a device; decided without torch.

`auto` takes the fastest type whose distance from float32 is known: docs/precision.md has the
figures. Motions that break in it are sampled again in float32: see `worker.engine.fallback`.
"""

from __future__ import annotations

from collections.abc import Mapping

from jobs.errors import SettingsError
from worker.device.discovery import AMPERE

FLAG = "--dtype"
AUTO = "auto"
SAFE = "float32"
"""Every device computes in it, and motions that broke in another type are sampled again in it."""

Capability = tuple[int, int]

NEEDS: Mapping[str, Capability | None] = {
    "float32": None,
    "tf32": AMPERE,
    "bfloat16": AMPERE,
    "float16": (7, 0),
}
"""Number type → the first CUDA compute capability that computes fast in it; None: any device."""

CHOICES = (AUTO, *NEEDS)

FASTEST: Mapping[str, tuple[str, ...]] = {"hy-motion-1.0": ("bfloat16", "float16")}
"""Model → the types that `auto` may take, the best first. A model that is not listed, like one of
your own, has no documented distance and is computed in float32; so is tiny, which is too small to
gain anything and whose motions bfloat16 moves by more than a centimetre."""


def choose(asked: str, *, device_kind: str, capability: Capability | None, model: str) -> str:
    """The number type that a worker computes a model in.

    Args:
        asked: the value of `--dtype`: "auto" or a number type.
        device_kind: "cpu" or "cuda".
        capability: CUDA compute capability; None for a CPU.
        model: name in the catalog.

    Raises:
        SettingsError: there is no such type, or this device does not compute in it.
    """
    if asked == AUTO:
        return default_dtype(device_kind, capability, model)
    if asked not in NEEDS:
        raise SettingsError(FLAG, asked, f"choose one of {', '.join(CHOICES)}")
    if _has(asked, device_kind, capability):
        return asked
    if capability is None:
        # A CPU computes in 16 bits slowly, which is good for comparing. It has no TF32.
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
        + (
            ", or give float16"
            if instead == SAFE and _has("float16", device_kind, capability)
            else ""
        ),
    )


def default_dtype(device_kind: str, capability: Capability | None, model: str) -> str:
    """The fastest number type of the device whose distance from float32 is documented.

    Args:
        device_kind: "cpu" or "cuda".
        capability: CUDA compute capability; None for a CPU.
        model: name in the catalog.
    """
    for dtype in FASTEST.get(model, ()):
        if _has(dtype, device_kind, capability):
            return dtype
    return SAFE


def _has(dtype: str, device_kind: str, capability: Capability | None) -> bool:
    need = NEEDS[dtype]
    if need is None:
        return True
    return device_kind == "cuda" and capability is not None and capability >= need
