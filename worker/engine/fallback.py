"""Falls back to float32 when a faster number type fails for too many motions."""

from __future__ import annotations

import logging
from collections import deque

from worker.planning.precision import FLAG, SAFE

log = logging.getLogger(__name__)

#: How many of the latest motions count.
WINDOW = 200
#: The share of them that may fail, and the number of failures below which nothing is concluded.
SHARE = 0.05
LEAST = 8


class DtypeFallback:
    """The number type that a model is computed in; float32 permanently after too many failures.

    Attributes:
        dtype: the current number type.
        given_up: the type that failed for too many motions; None: none did.

    Args:
        model: name of the model, for the log.
        dtype: the initial type, from `worker.planning.precision.choose`.
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
        # The order within a pack matters only when the window cuts the pack, so it is ignored.
        self._latest.extend([False] * (motions - resampled) + [True] * resampled)
        broken, looked_at = sum(self._latest), len(self._latest)
        if broken < LEAST or broken <= SHARE * looked_at:
            return
        self.given_up, self.dtype = self.dtype, SAFE
        log.warning(
            "%s: %d of the latest %d motions failed in %s and were sampled again; continuing in "
            "%s. Start the worker with %s %s to avoid the failed attempts",
            self._model, broken, looked_at, self.given_up, SAFE, FLAG, SAFE,
        )  # fmt: skip
