"""Falling back to float32 when a faster number type breaks too many motions."""

from __future__ import annotations

import logging
from collections import deque

from worker.planning.precision import FLAG, SAFE

log = logging.getLogger(__name__)

#: How many of the latest motions are looked at.
WINDOW = 200
#: The share of them that may break, and the number below which they are too few to judge by.
SHARE = 0.05
LEAST = 8


class DtypeFallback:
    """The number type that a model is computed in: float32 for good, once the other broke too much.

    Attributes:
        dtype: what to compute in now.
        given_up: the type that broke too many motions; None: none did.

    Args:
        model: name of the model, for the log.
        dtype: as `worker.planning.precision.choose` gave it.
    """

    def __init__(self, *, model: str, dtype: str) -> None:
        self.dtype = dtype
        self.given_up: str | None = None
        self._model = model
        self._latest: deque[bool] = deque(maxlen=WINDOW)

    def note(self, motions: int, *, resampled: int) -> None:
        """Count a pack of `motions`, of which `resampled` were sampled again in float32."""
        if self.dtype == SAFE:
            return
        # Which motions of a pack broke does not matter, unless the window's edge cuts the pack.
        self._latest.extend([False] * (motions - resampled) + [True] * resampled)
        broken, looked_at = sum(self._latest), len(self._latest)
        if broken < LEAST or broken <= SHARE * looked_at:
            return
        self.given_up, self.dtype = self.dtype, SAFE
        log.warning(
            "%s: %d of the latest %d motions broke in %s and were sampled again; going on in "
            "%s. Start the worker with %s %s to spare the attempts",
            self._model, broken, looked_at, self.given_up, SAFE, FLAG, SAFE,
        )  # fmt: skip
