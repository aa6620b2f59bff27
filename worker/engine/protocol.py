"""Engines: what a worker runs a pack on. One engine is one model in one mode on one device.

`worker.engine.motion` has the engine that computes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from jobs.domain.attempts import Claim, Features, MotionQuality, Run

#: Called after each solver step with (step, total); may raise to stop the pack.
OnStep = Callable[[int, int], None]


@dataclass(frozen=True)
class Encoded:
    """A prompt's text conditioning.

    Attributes:
        text: the conditioning; what it is made of is the engine's own business.
        source: where it came from, as attempts record it; None: the engine's own encoder.
    """

    text: Any
    source: str | None = None


@dataclass(frozen=True)
class Sampled:
    """What sampling a pack gave: a latent and a run for each claim.

    Attributes:
        latents: for the decoder.
        runs: how each job was run; the loads are those of the engine's own.
    """

    latents: Sequence[Any]
    runs: Sequence[Run]


class Engine(Protocol):
    """The phases of a pack. Each returns all that it found, and the engine keeps nothing of it, so
    that one pack may be encoded while another is sampled."""

    model: str
    mode: str

    def encode(self, claims: Sequence[Claim], found: dict[str, Any]) -> Sequence[Encoded]:
        """Text conditioning of each claim.

        Args:
            claims: of the pack.
            found: prompt → the conditioning that was looked up, of a model whose encoder is apart.
                What is encoded here is added.
        """

    def blank(self) -> Encoded:
        """A text conditioning without a text, to warm up with."""

    def sample(
        self, claims: Sequence[Claim], encoded: Sequence[Encoded], on_step: OnStep
    ) -> Sampled:
        """Denoise a latent for each claim."""

    def decode(self, latents: Sequence[Any]) -> list[Any]:
        """A motion for each latent."""

    def measure(self, motions: Sequence[Any]) -> Sequence[MotionQuality]:
        """What each motion is like.

        Raises:
            NotFiniteError: motions are not finite.
        """

    def features(self, motions: Sequence[Any]) -> Sequence[Features | None]:
        """What to keep of each finite motion for its distance to real ones; None: nothing."""

    def write(self, claim: Claim, motion: Any, format_: str, path: Path) -> bool:
        """Write one file; False when this engine has nothing to write."""

    def start_measuring(self) -> None:
        """Begin a new peak of device memory."""

    def peak_memory(self) -> int:
        """Peak of device memory since, bytes."""

    def close(self) -> None:
        """Free the device memory; the engine is of no use afterwards."""
