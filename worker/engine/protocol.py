"""Engines: what a worker runs a pack on. One engine is one model in one mode on one device.

`worker.engine.motion` has the engine that computes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from jobs.domain.attempts import Claim, Features, Quality, Run

#: Called after each solver step with (step, total); may raise to stop the pack.
OnStep = Callable[[int, int], None]


class Engine(Protocol):
    """The phases of a pack. Values between them are the engine's own business."""

    model: str
    mode: str

    def encode(self, claims: Sequence[Claim]) -> Sequence[Any]:
        """Text conditioning of each claim.

        Raises:
            UnencodedError: texts are not encoded yet, and this worker does not do it here.
        """

    def blank(self) -> Any:
        """A text conditioning without a text, to warm up with."""

    def sample(self, claims: Sequence[Claim], texts: Sequence[Any], on_step: OnStep) -> list[Any]:
        """A latent for each claim."""

    def decode(self, latents: Sequence[Any]) -> list[Any]:
        """A motion for each latent."""

    def measure(self, motions: Sequence[Any]) -> Sequence[Quality]:
        """What each motion is like.

        Raises:
            NotFiniteError: motions are not finite.
        """

    def features(self, motions: Sequence[Any]) -> Sequence[Features | None]:
        """What to keep of each finite motion for its distance to real ones; None: nothing."""

    def write(self, claim: Claim, motion: Any, format_: str, path: Path) -> bool:
        """Write one file; False when this engine has nothing to write."""

    def runs(self, claims: Sequence[Claim]) -> Sequence[Run]:
        """How each job of the pack in hand was run; the loads are those of the engine's own."""

    def start_measuring(self) -> None:
        """Begin a new peak of device memory."""

    def peak_memory(self) -> int:
        """Peak of device memory since, bytes."""

    def close(self) -> None:
        """Free the device memory; the engine is of no use afterwards."""
