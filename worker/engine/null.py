"""The engine of the null model, which computes nothing."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jobs.domain.attempts import Claim, Features, MotionQuality, Run
from worker.engine.protocol import Encoded, OnStep, Sampled


class NullEngine:
    """The null model: goes through every phase and makes nothing.

    For benchmarks of the queue and dress rehearsals of a fleet.

    Args:
        mode: full or lite.
        step_seconds: how long a solver step pretends to take.
    """

    model = "null"

    def __init__(self, *, mode: str, step_seconds: float) -> None:
        self.mode = mode
        self._step_seconds = step_seconds

    def encode(self, claims: Sequence[Claim], found: dict[str, Any]) -> Sequence[Encoded]:  # noqa: ARG002 — no text
        """Nothing for each claim."""
        return [self.blank()] * len(claims)

    def blank(self) -> Encoded:
        """Nothing."""
        return Encoded(text=None)

    def sample(
        self, claims: Sequence[Claim], encoded: Sequence[Encoded], on_step: OnStep
    ) -> Sampled:
        """Count the steps, pausing at each if so set."""
        total = claims[0].steps
        for step in range(1, total + 1):
            if self._step_seconds:
                time.sleep(self._step_seconds)
            on_step(step, total)
        return Sampled(latents=[each.text for each in encoded], runs=[Run()] * len(claims))

    def decode(self, latents: Sequence[Any]) -> list[Any]:
        """Nothing for each claim."""
        return list(latents)

    def measure(self, motions: Sequence[Any]) -> Sequence[MotionQuality]:
        """Nothing is measured of no motion."""
        return [MotionQuality()] * len(motions)

    def features(self, motions: Sequence[Any]) -> Sequence[Features | None]:
        """Nothing is kept of no motion."""
        return [None] * len(motions)

    def write(self, claim: Claim, motion: Any, format_: str, path: Path) -> bool:  # noqa: ARG002 — no motion
        """No file: there is no motion."""
        return False

    def close(self) -> None:
        """Nothing is held."""

    def start_measuring(self) -> None:
        """Nothing to measure."""

    def peak_memory(self) -> int:
        """The null model holds nothing."""
        return 0
