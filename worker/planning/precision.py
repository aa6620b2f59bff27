"""What a model is computed in on a device, and when that is given up. No torch in here.

The fastest precision is taken whose distance from float32 is known: docs/precision.md has the
figures. What breaks in it is sampled again in float32; where that happens too often, the worker
goes on in float32.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace

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


@dataclass(frozen=True, kw_only=True)
class Breaker:
    """Counts motions that had to be sampled again, and says when that is too many.

    Attributes:
        fewest: so many have to be, or nothing is said.
        share: so large a share of the latest motions may be.
        window: how many of the latest motions are looked at.
        latest: of each of them, the newest last, whether it had to be sampled again.
        sampled: motions in all.
        resampled: of these, sampled again.
        open: whether it was too many once; that stays so.
    """

    fewest: int = 8
    share: float = 0.05
    window: int = 200
    latest: tuple[bool, ...] = ()
    sampled: int = 0
    resampled: int = 0
    open: bool = False

    def after(self, motions: int, *, resampled: int) -> Breaker:
        """This breaker after a pack of `motions`, of which `resampled` were sampled again."""
        # Which of a pack is of no consequence, but a pack may be cut by the window's edge.
        pack = (False,) * (motions - resampled) + (True,) * resampled
        latest = (*self.latest, *pack)[-self.window :]
        again = sum(latest)
        return replace(
            self,
            latest=latest,
            sampled=self.sampled + motions,
            resampled=self.resampled + resampled,
            open=self.open or (again >= self.fewest and again > self.share * len(latest)),
        )


class Precision:
    """What one model is computed in, until that fails too often.

    Args:
        model: whom it is about, for the log.
        dtype: as `choose` gave it.
        breaker: counts the failures.
    """

    def __init__(self, *, model: str, dtype: str, breaker: Breaker | None = None) -> None:
        self._model = model
        self._chosen = dtype
        self._breaker = breaker or Breaker()

    @property
    def dtype(self) -> str:
        """What to compute in now."""
        return SAFE if self._breaker.open else self._chosen

    @property
    def given_up(self) -> str | None:
        """The precision that was given up, if one was."""
        return self._chosen if self._breaker.open else None

    def note(self, motions: int, *, resampled: int) -> None:
        """A pack of `motions` is done, of which `resampled` had to be sampled again."""
        if self.dtype == SAFE:
            return
        self._breaker = self._breaker.after(motions, resampled=resampled)
        if self._breaker.open:
            log.warning(
                "%s: %d of the latest %d motions broke in %s and were sampled again; going on in "
                "%s. Start the worker with %s %s to spare the attempts",
                self._model,
                sum(self._breaker.latest),
                len(self._breaker.latest),
                self._chosen,
                SAFE,
                FLAG,
                SAFE,
            )
