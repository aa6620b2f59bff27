"""The engine of the null model: it computes nothing."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jobs.domain.attempts import Claim, Features, MotionQuality, Run
from worker.engine.protocol import Encoded, OnStep, Sampled


class NullEngine:
    """An engine that goes through every phase and produces no motion.

    It is for benchmarks of the queue and for trying out a cluster.

    Args:
        mode: full or lite.
        step_seconds: the simulated duration of a solver step.
    """

    model = "null"

    def __init__(self, *, mode: str, step_seconds: float) -> None:
        self.mode = mode
        self._step_seconds = step_seconds

    def encode(self, claims: Sequence[Claim], found: dict[str, Any]) -> Sequence[Encoded]:  # noqa: ARG002 — no text
        """An empty conditioning for each claim."""
        return [self.blank()] * len(claims)

    def prepare(self, claims: Sequence[Claim], found: dict[str, Any]) -> None:
        """Nothing: there is nothing to prepare."""

    def blank(self) -> Encoded:
        """An empty conditioning."""
        return Encoded(text=None)

    def sample(
        self,
        claims: Sequence[Claim],
        encoded: Sequence[Encoded],
        on_step: OnStep,
        prepared: Any = None,  # noqa: ARG002 — never made
    ) -> Sampled:
        """Count the steps, sleeping `step_seconds` at each."""
        total = claims[0].steps
        for step in range(1, total + 1):
            if self._step_seconds:
                time.sleep(self._step_seconds)
            on_step(step, total)
        return Sampled(latents=[each.text for each in encoded], runs=[Run()] * len(claims))

    def decode(self, latents: Sequence[Any]) -> list[Any]:
        """None for each latent."""
        return list(latents)

    def measure(self, motions: Sequence[Any]) -> Sequence[tuple[MotionQuality, Features | None]]:
        """An empty measure for each claim: there is no motion."""
        return [(MotionQuality(), None)] * len(motions)

    def write(self, claim: Claim, motion: Any, format_: str, path: Path) -> bool:  # noqa: ARG002 — no motion
        """Write no file: there is no motion."""
        return False

    def close(self) -> None:
        """Do nothing: there are no weights."""

    def start_measuring(self) -> None:
        """Do nothing: the null model uses no device memory."""

    def peak_memory(self) -> int:
        """0: the null model uses no device memory."""
        return 0
