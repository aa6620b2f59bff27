"""The interface of engines, which run packs. An engine is one model in one mode on one device.

Implementations: `worker.engine.motion` and `worker.engine.null`.
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
        text: the conditioning, in a type that only the engine knows.
        source: its origin as attempts record it; None: the engine's own encoder.
    """

    text: Any
    source: str | None = None


@dataclass(frozen=True)
class Sampled:
    """The result of sampling a pack: a latent and a run for each claim.

    Attributes:
        latents: for the decoder.
        runs: how each job was run; their loads count only reloads by the engine itself.
    """

    latents: Sequence[Any]
    runs: Sequence[Run]


class Engine(Protocol):
    """The phases of a pack. They keep no state of it: while one pack is sampled, another thread may
    prepare the next one and decode the last one."""

    model: str
    mode: str

    def encode(self, claims: Sequence[Claim], found: dict[str, Any]) -> Sequence[Encoded]:
        """Text conditioning of each claim.

        Args:
            claims: the pack.
            found: prompt → its stored conditioning, for a model with a separate encoder. Texts
                that are encoded here are added.
        """

    def prepare(self, claims: Sequence[Claim], found: dict[str, Any]) -> Any:
        """What `sample` needs of a pack, made while another pack is sampled.

        Args:
            claims, found: as in `encode`.

        Returns:
            For `sample`, in a type that only the engine knows; None if it cannot be made now.
        """

    def blank(self) -> Encoded:
        """A placeholder conditioning for the warm-up."""

    def sample(
        self,
        claims: Sequence[Claim],
        encoded: Sequence[Encoded],
        on_step: OnStep,
        prepared: Any = None,
    ) -> Sampled:
        """Denoise one latent per claim.

        Args:
            claims, encoded: the pack and its texts.
            on_step: called after each step.
            prepared: what `prepare` returned for the same claims.
        """

    def decode(self, latents: Sequence[Any]) -> list[Any]:
        """Decode each latent to a motion; another pack may be sampled meanwhile."""

    def measure(self, motions: Sequence[Any]) -> Sequence[tuple[MotionQuality, Features | None]]:
        """The quality of each motion, and its features to store (see `worker.engine.measures`).

        Raises:
            NotFiniteError: motions are not finite.
        """

    def write(self, claim: Claim, motion: Any, format_: str, path: Path) -> bool:
        """Write one new file, following no link; False if this engine has nothing to write."""

    def start_measuring(self) -> None:
        """Begin a new peak of device memory."""

    def peak_memory(self) -> int:
        """Peak of device memory since `start_measuring`, in bytes."""

    def close(self) -> None:
        """Free the device memory. The engine cannot be used afterwards."""
